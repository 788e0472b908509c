"""What the `http` listener serves: the WebSocket, the API, the live tail, the page. Loaded with aiohttp, on demand."""
