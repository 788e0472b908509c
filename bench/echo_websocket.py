"""`python -m bench.echo_websocket PORT`: aiohttp's WebSocket doing nothing but echo, to hold Logboom's against."""

import sys

from aiohttp import WSMsgType, web


async def _echo(request: web.Request) -> web.WebSocketResponse:
    stream = web.WebSocketResponse(compress=False)
    await stream.prepare(request)
    async for message in stream:
        if message.type is WSMsgType.TEXT:
            await stream.send_str(message.data)
    return stream


def main(port: int) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.router.add_get("/", _echo)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
