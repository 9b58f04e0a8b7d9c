"""No WSGI application anywhere."""

import flask

ANSWER = flask.__name__
