// The minimum cost of an open stream: a Worker that starts a response and sends a heartbeat,
// without an object.

const text = new TextEncoder();

export default {
  fetch() {
    const start = (controller) => {
      controller.enqueue(text.encode("data: {}\n\n"));
      // Without a pending promise the runtime would end the request as hung.
      setInterval(() => controller.enqueue(text.encode(":\n\n")), 15_000);
    };
    const stream = new ReadableStream({ start }, { highWaterMark: 0 });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
