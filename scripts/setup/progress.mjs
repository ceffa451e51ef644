// The output of a set-up: each step when it begins and when it is done, and on a terminal the time
// of the running steps.

export class Progress {
  #total;
  #begun = 0;
  #running = new Map();
  #ticker;

  constructor(total) {
    this.#total = total;
  }

  begin(step) {
    this.#begun += 1;
    const running = { place: `[${this.#begun}/${this.#total}]`, started: Date.now() };
    this.#running.set(step, running);
    this.#print(`${running.place} ${step.task} (usually ${step.duration} s)`);
    if (process.stdout.isTTY) this.#ticker ??= setInterval(() => this.#showRunning(), 1000);
  }

  done(step) {
    const { place, started } = this.#running.get(step);
    this.#running.delete(step);
    this.#print(`${place} ${step.task}: done in ${seconds(started)} s`);
  }

  end() {
    clearInterval(this.#ticker);
    if (process.stdout.isTTY && this.#begun > 0) process.stdout.write(clearLine);
  }

  #print(line) {
    if (process.stdout.isTTY) process.stdout.write(clearLine);
    console.log(line);
  }

  // Prints one line, which the next line overwrites.
  #showRunning() {
    const steps = [...this.#running.entries()];
    const line = steps.map(([step, { started }]) => `${step.task}: ${seconds(started)} of about ${step.duration} s`);
    process.stdout.write(clearLine + line.join(", ").slice(0, process.stdout.columns - 1));
  }
}

const clearLine = "\r\u001b[K";

function seconds(started) {
  return ((Date.now() - started) / 1000).toFixed(0);
}
