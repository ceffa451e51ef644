// The least that an open stream costs: a Worker that begins an answer, and then sends a heartbeat. No object stands behind it.

const text = new TextEncoder();

export default {
  fetch() {
    const start = (controller) => {
      controller.enqueue(text.encode("data: {}\n\n"));
      // Without anything to wait for, the runtime would end it as hung.
      setInterval(() => controller.enqueue(text.encode(":\n\n")), 15_000);
    };
    const stream = new ReadableStream({ start }, { highWaterMark: 0 });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
