from setuptools import find_packages, setup

WEB = ["flask==3.1.3"]

setup(
    name="depot-app",
    version="1.4",
    packages=find_packages(),
    install_requires=WEB,
    extras_require={"colours": ["colorama==0.4.6"]},
    entry_points={"console_scripts": ["depot = depot.cli:main"]},
)
