"""One folder per task, found by the registry."""

from pkgutil import extend_path

# A task that is installed elsewhere, in a folder of the same name on the path, is found as if it stood here.
__path__ = extend_path(__path__, __name__)
