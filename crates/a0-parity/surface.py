"""What the reference offers: names by kind.

A member follows its owner and a dot: `verify_access_token.required_claims`.
"""

import importlib
import inspect
import pathlib
import pkgutil
import re

import auth0_api_python as package
from auth0_api_python import ApiClient, ApiClientOptions, errors


def parameters(function):
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "options")]


def public_methods(owner):
    members = vars(owner).items()
    return [name for name, it in members if name[0] != "_" and inspect.isfunction(it)]


def modules():
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "._" not in found.name:
            yield importlib.import_module(found.name)


def below(owner, names):
    return [f"{owner}.{name}" for name in names]


def methods():
    for name in public_methods(ApiClient):
        yield name
        yield from below(name, parameters(getattr(ApiClient, name)))


def error_classes():
    members = vars(errors).values()
    return [it for it in members if inspect.isclass(it) and issubclass(it, Exception)]


def error_names():
    yield from (it.__name__ for it in error_classes())
    yield from below("BaseAuthError", public_methods(errors.BaseAuthError))


def helpers():
    # The names that the package exports, and those that its modules define without an underscore.
    known = [ApiClient, ApiClientOptions, *error_classes()]
    yield from (name for name in package.__all__ if getattr(package, name) not in known)
    for module in modules():
        for name, it in vars(module).items():
            defined = getattr(it, "__module__", None) == module.__name__
            if name[0] == "_" or not defined or it in known:
                continue
            if inspect.isfunction(it) or inspect.isclass(it):
                yield name
            if inspect.isclass(it):
                yield from below(name, public_methods(it))
                yield from below(name, vars(it).get("__annotations__", {}))


def headers():
    """Header names of requests and answers: the keys of anything called headers."""
    for module in modules():
        source = pathlib.Path(module.__file__).read_text()
        for key in re.findall(r"""headers(?:\.get\(|\[)\s*["']([^"']+)""", source):
            yield key.lower()


def offered():
    kinds = {
        "Options": parameters(ApiClientOptions),
        "Methods": methods(),
        "Errors": error_names(),
        "Helpers": helpers(),
        "HTTP headers": headers(),
    }
    return {kind: sorted(set(names)) for kind, names in kinds.items()}
