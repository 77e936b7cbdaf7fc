/* The trial: follow a target whose way is known. Delay and reliability are worked out by the
   server from the raw samples, as those of any other trace. */

import { getJson } from "./api.js";
import { Pointing } from "./devices.js";
import { drawPlane } from "./plane.js";
import { Recorder } from "./trace.js";
import { find } from "./view.js";

export class Trial {
  constructor(app) {
    this.app = app;
    this.plane = find("trial-plane");
    this.pointing = new Pointing(this.plane);
    find("trial-start").addEventListener("click", () => this.begin());
    find("trial").addEventListener("close", () => this.end());
    addEventListener("keydown", (event) => {
      if (this.running && this.pointing.key(event, true)) event.preventDefault();
    });
    addEventListener("keyup", (event) => this.pointing.key(event, false));
  }

  async show() {
    await this.app.player.pause();
    const { target, result } = await getJson("/api/trial");
    this.target = target;
    find("trial").showModal();
    this.#tell(result);
    this.#draw(0);
  }

  #tell(result) {
    const text = find("trial-text");
    text.className = result?.flagged ? "flag" : "";
    if (!result) text.textContent = "Not done yet.";
    else {
      text.textContent = `Delay ${result.delay} frames (${(result.delay / 30).toFixed(2)} s), `
        + `reliability ${result.reliability.toFixed(2)}, gain ${result.gain.toFixed(2)}.`
        + (result.flagged ? " Your point did not follow the ring closely enough: try again." : "");
    }
  }

  #draw(frame) {
    drawPlane(this.plane, { point: this.pointing.position, target: this.target[frame] });
  }

  /* `seconds` of the trial that have passed. */
  get time() { return (performance.now() - this.startedAt) / 1000; }

  begin() {
    const { fps } = this.app.player;
    this.pointing.device = find("device").value;
    this.pointing.deadZone = Number(find("dead-zone").value) || 0;
    this.pointing.centre = this.app.pointing.centre;
    this.pointing.begin([0, 0]);
    this.running = true;
    this.startedAt = performance.now();
    find("trial-start").disabled = true;
    find("trial-text").className = "";
    const last = this.target.length - 1;
    this.recorder = new Recorder(this.app.queue, this.pointing, () => {
      const frame = Math.min(Math.floor(this.time * fps), last);
      return { time: this.time, frame, running: this.running && this.time < this.target.length / fps };
    });
    this.recorder.onsample = (frame) => {
      this.#draw(frame);
      find("trial-text").textContent = `${Math.ceil((last - frame) / fps)} s left`;
    };
    this.recorder.start("@trial", 1, ["valence", "arousal"], 1);
    this.timer = setTimeout(() => this.finish(), (this.target.length / fps) * 1000 + 50);
    this.plane.focus();
  }

  end() {
    clearTimeout(this.timer);
    this.running = false;
    this.recorder?.stop(this.time);
    find("trial-start").disabled = false;
  }

  async finish() {
    this.end();
    await this.app.queue.stored();
    this.#tell((await getJson("/api/trial")).result);
  }
}
