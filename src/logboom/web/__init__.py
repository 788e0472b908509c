"""Handlers of the `http` listener: WebSocket, API, live tail, page. Loaded with aiohttp, on demand."""
