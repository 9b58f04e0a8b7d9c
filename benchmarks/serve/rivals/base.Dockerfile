# For a base image whose python3 is linked statically, like Debian's: it renders a template a third
# faster than libpython, on which uWSGI runs. Docker's own image links python3 with libpython, so
# this image does too; otherwise the benchmark would compare interpreters.
ARG BASE
FROM ${BASE} AS build
COPY trust/ /run/trust/
RUN . /run/trust/env \
 && apt-get $APT_OPTIONS -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get $APT_OPTIONS -qq install --yes --no-install-recommends gcc libc6-dev python3-dev \
 && echo '#include <Python.h>\nint main(int count, char **words) { return Py_BytesMain(count, words); }' > /run/python3.c \
 && gcc -O2 -o /run/python3 /run/python3.c $(python3-config --embed --includes --ldflags)

FROM ${BASE}
RUN rm /usr/local/bin/python3 && ln -sf python3 /usr/local/bin/python
COPY --from=build /run/python3 /usr/local/bin/python3
