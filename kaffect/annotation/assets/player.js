/* Plays a copy of constant rate and knows which frame is shown. A frame counts as shown when the
   browser reports its media time; `currentTime` is what was asked for, not what is seen. */

const SETTLE = 400; // milliseconds after which a seek counts as done without a report

export class Player {
  constructor(video, fps) {
    this.video = video;
    this.fps = fps;
    this.frames = 0;
    this.frame = 0;
    this.mediaTime = 0;
    this.shownAt = 0; // performance.now() at which the frame appeared
    this.loop = null; // {first, last}
    this.listeners = [];
    this.wanted = null;
    this.seeking = null;
    this.playing = false;
    this.reports = 0;
    this.reportsAtPlay = 0;
    video.addEventListener("ended", () => this.pause());
    this.#watch();
  }

  onframe(listener) { this.listeners.push(listener); }

  #tell() { for (const listener of this.listeners) listener(this.frame); }

  #watch() {
    this.video.requestVideoFrameCallback((now, facts) => {
      this.reports += 1;
      this.mediaTime = facts.mediaTime;
      this.shownAt = facts.expectedDisplayTime;
      // The copy's frames lie at k / fps exactly; rounding only undoes the microseconds.
      this.frame = Math.max(0, Math.min(Math.round(facts.mediaTime * this.fps), this.frames - 1));
      this.#tell();
      this.#watch();
      if (this.playing && this.loop && !this.seeking) {
        if (this.frame >= this.loop.last || this.frame < this.loop.first) {
          this.seek(this.loop.first);
        }
      }
    });
  }

  async load(address, frames) {
    this.video.pause();
    this.playing = false;
    this.loop = null;
    this.frames = frames;
    this.frame = 0;
    const before = this.reports;
    const ready = new Promise((resolve, reject) => {
      this.video.onloadeddata = resolve;
      this.video.onerror = () => reject(new Error("the video cannot be shown by this browser"));
    });
    this.video.src = address;
    await ready;
    await this.#report(before);
    await this.seek(0, true);
  }

  async #report(before) {
    const end = performance.now() + SETTLE;
    while (this.reports === before && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  }

  /* Show a frame; of several wishes while one is under way only the last is met. */
  async seek(frame, always = false) {
    const target = Math.max(0, Math.min(frame, this.frames - 1));
    if (this.seeking) {
      this.wanted = target;
      return this.seeking;
    }
    if (target === this.frame && !always) return undefined;
    this.wanted = target;
    this.seeking = this.#seekAll();
    return this.seeking;
  }

  async #seekAll() {
    while (this.wanted !== null) {
      const target = this.wanted;
      this.wanted = null;
      const before = this.reports;
      const seeked = new Promise((resolve) => {
        this.video.addEventListener("seeked", resolve, { once: true });
      });
      // The middle of the frame: no rounding of the browser leads out of it.
      this.video.currentTime = (target + 0.5) / this.fps;
      await seeked;
      if (!this.playing) {
        await this.#report(before);
        const end = performance.now() + SETTLE;
        while (this.frame !== target && this.wanted === null && performance.now() < end) {
          await new Promise((resolve) => setTimeout(resolve, 4));
        }
      }
    }
    this.seeking = null;
    this.#tell();
  }

  async play() {
    if (this.seeking) await this.seeking;
    if (this.loop && (this.frame < this.loop.first || this.frame >= this.loop.last)) {
      await this.seek(this.loop.first);
    } else if (this.frame >= this.frames - 1) {
      await this.seek(0);
    }
    this.playing = true;
    this.reportsAtPlay = this.reports;
    try {
      await this.video.play();
    } catch (error) {
      this.playing = false;
      if (error.name !== "AbortError") throw error;
    }
    this.#tell();
  }

  /* Stops on the frame that was reported last and shows exactly that one. */
  async pause() {
    this.video.pause();
    this.playing = false;
    await this.seek(this.frame, true);
  }

  async toggle() { await (this.playing ? this.pause() : this.play()); }

  async step(frames) {
    const from = this.wanted ?? this.frame;
    if (this.playing) await this.pause();
    await this.seek(from + frames);
  }

  set speed(value) { this.video.playbackRate = value; }
  get speed() { return this.video.playbackRate; }

  /* Seconds of the video at a moment of performance.now(), between two reports too. */
  timeAt(moment) {
    if (!this.playing || this.reports === this.reportsAtPlay) return this.mediaTime;
    // Less than a frame, so that the next report never lies before it.
    const since = Math.max(0, moment - this.shownAt) / 1000;
    return this.mediaTime + Math.min(since * this.speed, 0.999 / this.fps);
  }
}
