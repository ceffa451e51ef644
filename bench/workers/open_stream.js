// The least that an open stream costs: a Worker that begins an answer and never ends it. No object stands behind it.

const open = [];

export default {
  fetch() {
    const stream = new ReadableStream({ start: (controller) => open.push(controller) }, { highWaterMark: 0 });
    open.at(-1).enqueue(new TextEncoder().encode("data: {}\n\n"));
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
