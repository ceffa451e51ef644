// Fills the marked elements of a waiting page, and goes on by reloading it, which keeps address, query and fragment.
(() => {
  // Not of the script's own element: a nonce does not count where an attribute holds the beginning of another script.
  const page = document.currentScript.previousElementSibling.dataset;
  // A stream that is alive has a beat every 15 s.
  const [minute, silence, longest, pause, mostReloads] = [60_000, 40_000, 10_000, 2_000, 4];
  const loadedAt = Date.now();
  let locale = page.lang;
  try {
    Intl.getCanonicalLocales(locale);
  } catch {
    locale = "en";
  }
  let began, expected, retryAt, source, timer;
  let [shown, heard, refused, troubles, over] = [0, false, 0, 0, false];

  const each = (mark, change) => document.querySelectorAll(`[data-vmproxy="${mark}"]`).forEach(change);
  const say = (mark, text) => each(mark, (element) => {
    // The same text put into a live region once more may be read out once more.
    if (element.textContent !== text) element.textContent = text;
  });
  const turn = (state) => {
    document.documentElement.dataset.vmproxyState = state;
    const failed = state === "failed";
    for (const mark of ["progress", "phase", "elapsed", "remaining"]) each(mark, (element) => (element.hidden = failed));
    for (const mark of ["failure", "failure-detail", "retry"]) each(mark, (element) => (element.hidden = !failed));
  };

  const span = (ms, step = 1) => {
    const seconds = Math.max(1, Math.ceil(ms / 1000 / step) * step);
    const [count, unit] = seconds < 90 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
    return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(count);
  };
  const clock = (ms) => {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  // As expected at first; then ever slower, so that it is never full before the VM is ready.
  const fraction = (part) => (part < 0.8 ? part : Math.min(0.99, 1 - 0.2 * Math.exp(4 - 5 * part)));

  const tick = () => {
    const wait = retryAt - Date.now();
    each("retry", (element) => {
      element.dataset.label ??= element.textContent;
      element.disabled = wait > 0;
      element.textContent = wait > 0 ? page.retry_in.replace("{time}", span(wait)) : element.dataset.label;
    });
    if (began === undefined) return;
    const elapsed = Date.now() - began;
    const left = expected - elapsed;
    say("elapsed", clock(elapsed));
    if (!expected) return;
    shown = Math.max(shown, fraction(elapsed / expected));
    each("progress", (element) => (element.value = shown));
    say("remaining", left > 0 ? page.remaining.replace("{time}", span(left, left > 10_000 ? 5 : 1)) : page.overdue);
  };

  const stop = () => {
    over = true;
    clearTimeout(timer);
    source?.close();
    [source, heard] = [undefined, false];
  };
  const fail = ({ title, detail, retry_after }) => {
    stop();
    turn("failed");
    document.title = page.failed || title || page.stuck;
    say("failure", document.title);
    say("failure-detail", page.failed_text || detail || "");
    // A limit may last for hours, of which nobody counts the seconds.
    retryAt = retry_after && retry_after < 120 ? Date.now() + retry_after * 1000 : 0;
    tick();
  };
  // Not for ever: a page that comes back again and again has to be asked.
  const reload = () => {
    stop();
    try {
      const key = `vmproxy ${location.pathname}`;
      const now = Date.now();
      const before = JSON.parse(sessionStorage.getItem(key) ?? "[]").filter((at) => at > now - minute);
      if (before.length >= mostReloads) return fail({ title: page.stuck, detail: page.stuck_text });
      sessionStorage.setItem(key, JSON.stringify([...before, now]));
      location.reload();
    } catch {
      // Where nothing may be stored, each page stays a while.
      timer = setTimeout(() => location.reload(), loadedAt + longest - Date.now());
    }
  };

  const told = ({ state, phase, elapsed_ms, expected_ms, failure }) => {
    if (over) return;
    troubles = 0;
    if (state === "running") {
      say("phase", page.ready);
      reload();
    } else if (failure || state === "failed") {
      fail(failure ?? {});
    } else if (phase) {
      turn("waiting");
      began = Date.now() - elapsed_ms;
      expected = expected_ms;
      say("phase", page[phase]);
      tick();
    } else {
      // It is down again: a request wakes it.
      reload();
    }
  };
  const again = () => {
    if (over) return;
    clearTimeout(timer);
    timer = setTimeout(check, heard ? silence : Math.min(pause * 1.5 ** troubles, longest));
  };
  // News come as they happen. While they do nothing is asked for: there may be a thousand pages like this one.
  const listen = () => {
    if (!self.EventSource || refused > 1) return;
    const own = (source = new EventSource(page.url));
    const hear = (news) => {
      if (own !== source) return;
      [heard, refused] = [true, 0];
      if (news) told(JSON.parse(news));
      again();
    };
    own.onmessage = ({ data }) => hear(data);
    own.addEventListener("beat", () => hear());
    own.onerror = () => {
      own.close();
      if (own !== source) return;
      [source, heard] = [undefined, false];
      refused += 1;
      again();
    };
  };
  // Where there is no stream, or some proxy holds it back.
  const check = async () => {
    heard = false;
    try {
      const response = await fetch(page.url, { headers: { accept: "application/json" }, cache: "no-store" });
      if (response.ok) told(await response.json());
      // The VM is not there any more, or not under this name.
      else if (response.status === 404) reload();
      else throw response;
    } catch {
      troubles += 1;
      if (troubles > 1 && !over) say("phase", page.offline);
    }
    if (!source && !over) listen();
    again();
  };
  // Also after a sleep, in which nothing was heard.
  const follow = () => {
    stop();
    over = false;
    refused = troubles = 0;
    // A sandboxed frame may ask for nothing.
    if (self.origin === "null") return void (timer = setTimeout(() => location.reload(), longest));
    listen();
    if (source) again();
    else check();
  };

  each("retry", (element) => element.addEventListener("click", (event) => {
    event.preventDefault();
    try {
      sessionStorage.removeItem(`vmproxy ${location.pathname}`);
    } catch {}
    location.reload();
  }));
  addEventListener("online", follow);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", ({ persisted }) => persisted && follow());
  document.addEventListener("visibilitychange", () => document.hidden || follow());
  setInterval(tick, 1000);
  told({ state: "starting", phase: page.phase, elapsed_ms: page.elapsed, expected_ms: +page.expected });
  follow();
})();
