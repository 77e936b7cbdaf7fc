/* Records a trace: raw samples of the pointer with the video's time, as they come. */

const BATCH = 240; // milliseconds

export class Recorder {
  /* `clock()` gives {time, frame, running}; `queue` stores events. */
  constructor(queue, pointing, clock) {
    this.queue = queue;
    this.pointing = pointing;
    this.clock = clock;
    this.take = null;
    this.onsample = () => {};
    this.count = 0;
  }

  get recording() { return this.take !== null; }

  start(video, pass, dimensions, speed) {
    const { device, mode, deadZone, centre } = this.pointing;
    this.take = { video, pass, take: crypto.randomUUID().slice(0, 13) };
    this.queue.add({
      kind: "take", ...this.take, dimensions, device, mode, speed, dead_zone: deadZone, centre,
    });
    this.samples = [];
    this.sentAt = performance.now();
    this.tick = (now) => {
      if (!this.take) return;
      this.#sample(now);
      requestAnimationFrame(this.tick);
    };
    requestAnimationFrame(this.tick);
  }

  #sample(now) {
    const { time, frame, running } = this.clock(now);
    const [x, y] = this.pointing.read(now);
    if (!running) return;
    const round = (value) => Math.round(value * 1e4) / 1e4;
    const wall = Math.round(performance.timeOrigin + now);
    this.samples.push([round(time), frame, round(x), round(y), wall]);
    this.count += 1;
    this.onsample(frame, x, y);
    if (now - this.sentAt > BATCH) this.#send(now);
  }

  #send(now) {
    if (this.samples.length) {
      this.queue.add({ kind: "samples", ...this.take, samples: this.samples }, false);
    }
    this.samples = [];
    this.sentAt = now;
  }

  stop(end) {
    if (!this.take) return;
    this.#send(performance.now());
    this.queue.add({ kind: "take-end", ...this.take, end: Math.round(end * 1e4) / 1e4 });
    this.take = null;
  }
}
