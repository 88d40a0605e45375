"""What the reference does on the wire, as its servers see it."""

import asyncio
import os
from unittest import mock

import httpx

PROXY_VARIABLES = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy")


async def route(call_at):
    """Where a request goes while the environment names a proxy. `call_at` makes a call at a domain."""
    asked = set()

    def server(name):
        def hang_up(_, writer):
            asked.add(name)
            writer.close()

        return asyncio.start_server(hang_up, "127.0.0.1", 0)

    async with await server("tenant") as tenant, await server("proxy") as proxy:
        addresses = ["%s:%s" % it.sockets[0].getsockname() for it in (tenant, proxy)]
        variables = {name: f"http://{addresses[1]}" for name in PROXY_VARIABLES}
        with mock.patch.dict(os.environ, variables):
            for name in ("NO_PROXY", "no_proxy"):
                os.environ.pop(name, None)
            await call_at(addresses[0])
    return {
        ("tenant",): "straight to the tenant",
        ("proxy",): "to the proxy of the variables",
        ("proxy", "tenant"): "to both",
    }.get(tuple(sorted(asked)), "to nobody")


class Silence:
    """A transport on which one URL never answers, and how long the client waited for it."""

    def __init__(self, case, answer_of):
        self.case, self.answer_of = case, answer_of
        self.patience = "nobody asked"
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request):
        if str(request.url) != self.case["silent"]:
            return self.answer_of(str(request.url))
        limits = set(request.extensions["timeout"].values())
        if limits == {self.case["timeout"]}:
            self.patience = "given up after `timeout`"
        else:
            self.patience = f"given up after {sorted(limits)} s"
        raise httpx.ReadTimeout("silence")
