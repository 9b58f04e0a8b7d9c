# For a base image whose python3 is linked statically, as Debian's is: that one runs a template a third faster than libpython does, which is
# what uWSGI runs on. Docker's own image links python3 with libpython too, so here it is made so: or the interpreters would be compared.
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
