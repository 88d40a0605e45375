"""Puts cases through the reference: one case a line on standard input, one outcome a line out.

A case brings its own clock and all that its servers answer; nothing here reaches a network but what
`network.py` does on this machine. It may have calls `before` its own: what of the case is different
then. Their outcomes do not count.
"""

import asyncio
import json
import sys
import time
import types
import warnings

# A dependency of the reference turns its own deprecations on again.
warnings.showwarning = lambda *_, **__: None

import auth0_api_python.cache
import httpx
import network
from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python import get_current_actor, get_delegation_chain
from auth0_api_python.errors import BaseAuthError
from auth0_api_python.utils import calculate_jwk_thumbprint, normalize_domain
from auth0_api_python.utils import parse_cache_control_max_age

WITH_PROOFS = ("allowed", "required")
PLAIN_OPTIONS = (
    "domain",
    "audience",
    "cache_ttl_seconds",
    "cache_max_entries",
    "dpop_enabled",
    "dpop_required",
    "dpop_iat_leeway",
    "dpop_iat_offset",
    "client_id",
    "client_secret",
    "timeout",
)
RealClient = httpx.AsyncClient


class Store(auth0_api_python.cache.InMemoryCache):
    """What stands beside the client: what it has when the calls begin, and whether it works."""

    def __init__(self, case):
        super().__init__()
        self.fails = None
        store = case["store"]
        keys_at = store.get("keys_at", "https://tenant.example/.well-known/jwks.json")
        for name, key in (("metadata", "https://tenant.example/"), ("keys", keys_at)):
            if name in store:
                self.set(key, store[name])
        self.fails = store.get("fails")

    def get(self, key):
        if self.fails == "read":
            raise ConnectionError("out of order")
        return super().get(key)

    def set(self, key, value, ttl_seconds=None):
        if self.fails == "write":
            raise ConnectionError("out of order")
        super().set(key, value, ttl_seconds)


def answer_of(case, url):
    answer = case["documents"].get(url)
    if answer is None:
        raise httpx.ConnectError("nobody listens")
    headers = {"content-type": answer["type"]}
    if "cache" in answer:
        headers["cache-control"] = answer["cache"]
    return httpx.Response(answer["status"], headers=headers, content=answer["body"].encode())


def client_of(case, given, **options):
    def resolver(context):
        # The package takes fields as a dictionary, so of one that is repeated it has one value.
        fields = context["request_headers"].items()
        given.update({f"field {name}": [value] for name, value in fields})
        given.update(iss=context["unverified_iss"], url=context["request_url"])
        return case["resolver"]

    domains = resolver if "resolver" in case else case.get("domains")
    if "store" in case:
        options["cache_adapter"] = Store(case)
    options |= {
        "dpop_enabled": case["mode"] in WITH_PROOFS,
        "dpop_required": case["mode"] == "required",
    }
    options |= {name: case[name] for name in PLAIN_OPTIONS if name in case}
    return ApiClient(ApiClientOptions(domains=domains, **options))


async def helped(case):
    """What the functions beside the client give; a list, as they may give nothing."""
    name = case["call"]
    try:
        if name == "normalize_domain":
            return [normalize_domain(case["text"])]
        if name == "calculate_jwk_thumbprint":
            return [calculate_jwk_thumbprint(case["key"])]
    except ValueError as error:
        raise BaseAuthError(str(error)) from error
    if name == "parse_cache_control_max_age":
        return [parse_cache_control_max_age({"cache-control": case["text"]})]
    if name == "get_current_actor":
        return [get_current_actor(case["claims"])]
    if name == "get_delegation_chain":
        return [get_delegation_chain(case["claims"])]
    return []


async def call(client, case):
    name, arguments = case["call"], case.get("arguments", {})
    method, url = case.get("method"), case.get("url")
    if name == "verify_request":
        return await client.verify_request(dict(case["headers"]), method, url)
    if name == "verify_access_token":
        return await client.verify_access_token(
            case["token"],
            request_url=url,
            request_headers=dict(case["headers"]),
            required_claims=case.get("required_claims"),
        )
    if name == "verify_dpop_proof":
        return await client.verify_dpop_proof(case["token"], case["proof"], method, url)
    if name == "get_access_token_for_connection":
        return await client.get_access_token_for_connection(arguments)
    return await getattr(client, name)(**arguments)


async def seen_of(case):
    """What is seen of a call with the transport that a client has by default."""

    async def call_at(domain):
        client = client_of({**case, "domain": domain}, {})
        try:
            await call(client, case)
        except Exception:  # noqa: BLE001 - nobody answers, and what comes of that is not the question
            pass

    if case["network"] == "proxy variables":
        httpx.AsyncClient = RealClient
        return {"metadata": await network.route(call_at)}

    silence = network.Silence(case, lambda url: answer_of(case, url))

    def transported(**options):
        return RealClient(transport=silence.transport, **options)

    httpx.AsyncClient = transported
    await call_at(case["domain"])
    return {case["network"]: silence.patience}


async def outcome_of(whole):
    # The one that counts last. Everything looks at `case`, which changes from call to call.
    steps = [{**whole, **step} for step in (*whole.get("before", []), {})]
    case, sent, given = dict(steps[0]), [], {}
    time.time = lambda: case["now"]
    auth0_api_python.cache.time = types.SimpleNamespace(monotonic=lambda: case["now"])
    if "network" in case:
        return {"network": await seen_of(case)}

    async def fetch(url):
        return answer_of(case, url)

    def endpoint(request):
        form = request.content.decode()
        sent.append({"form": form, "authorization": request.headers.get("authorization")})
        return answer_of(case, str(request.url))

    def client(**options):
        return RealClient(transport=httpx.MockTransport(endpoint), **options)

    httpx.AsyncClient = client
    try:
        values = await helped(case)
        if values:
            outcome = {"value": values[0]}
        else:
            api = client_of(case, given, custom_fetch=fetch)
            for step in steps[:-1]:
                case.update(step)
                try:
                    await call(api, case)
                except Exception:  # noqa: BLE001 - whatever it is, the next call shows it
                    pass
            case.update(steps[-1])
            sent.clear()
            given.clear()
            outcome = {"value": await call(api, case)}
    except BaseAuthError as error:
        kind = type(error).__name__.removesuffix("Error") or "Api"
        outcome = {"kind": kind, "text": error.get_error_description()}
        if kind != "BaseAuth":
            outcome["status"] = error.get_status_code()
            outcome["code"] = error.get_error_code()
            outcome["challenge"] = error.get_headers().get("WWW-Authenticate")
    except Exception as error:  # noqa: BLE001 - that it ends so is what is compared
        outcome = {"failed": type(error).__name__}
    outcome["sent"], outcome["given"] = sent, given or None
    return outcome


def encoded(outcome):
    try:
        return json.dumps(outcome, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps({**outcome, "value": "not JSON"})


for line in sys.stdin:
    print(encoded(asyncio.run(outcome_of(json.loads(line)))), flush=False)
