// The smallest possible Worker.

export default {
  fetch() {
    return new Response("hello\n");
  },
};
