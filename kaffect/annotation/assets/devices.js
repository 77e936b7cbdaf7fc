/* Where the annotator points: mouse or touch on the plane, arrow keys, or a gamepad's stick. */

import { placeOn } from "./plane.js";

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const PER_SECOND = 1; // how far a held key or a pushed stick moves the point
const clip = (value) => Math.max(-1, Math.min(value, 1));

export class Pointing {
  constructor(plane) {
    this.plane = plane;
    this.device = "mouse";
    this.mode = "bounded";
    this.deadZone = 0.1;
    this.centre = [0, 0];
    this.position = [0, 0];
    this.held = new Set();
    this.last = 0;
    this.before = null;
    this.pointed = null; // where the pointer was last
    for (const name of ["pointermove", "pointerdown"]) {
      plane.addEventListener(name, (event) => this.#pointer(event));
    }
    plane.addEventListener("pointerleave", () => { this.before = null; });
  }

  /* A mouse points where it is; all others start where the trace goes on. */
  begin(position) {
    const points = (this.device === "mouse" || this.device === "touch") && this.mode === "bounded";
    this.position = points && this.pointed ? [...this.pointed] : [...position];
    this.last = performance.now();
    this.held.clear();
    this.before = null;
  }

  #pointer(event) {
    if (this.device !== "mouse" && this.device !== "touch") return;
    this.device = event.pointerType === "touch" ? "touch" : "mouse";
    const place = placeOn(this.plane, event);
    this.pointed = place.map(clip);
    if (this.mode === "bounded") this.position = [...this.pointed];
    else if (this.before) {
      this.position = this.position.map((value, i) => value + place[i] - this.before[i]);
    }
    this.before = place;
  }

  /* Whether the key is one of ours. */
  key(event, down) {
    if (this.device !== "keys" || !(event.code in KEYS)) return false;
    if (down) this.held.add(event.code); else this.held.delete(event.code);
    return true;
  }

  static stick() {
    for (const pad of navigator.getGamepads()) if (pad?.connected) return pad.axes.slice(0, 2);
    return null;
  }

  /* Take where the stick rests now as its middle. */
  calibrate() {
    const stick = Pointing.stick();
    if (stick) this.centre = stick.map((value) => Math.round(clip(value) * 1e4) / 1e4);
    return stick !== null;
  }

  #push() {
    if (this.device === "keys") {
      const push = [0, 0];
      for (const code of this.held) KEYS[code].forEach((value, i) => { push[i] += value; });
      return push;
    }
    const stick = Pointing.stick();
    if (!stick) return [0, 0];
    const raw = [stick[0] - this.centre[0], -(stick[1] - this.centre[1])];
    const length = Math.hypot(...raw);
    if (length <= this.deadZone) return [0, 0];
    // Begins at 0 where the dead zone ends.
    const scale = (length - this.deadZone) / (1 - this.deadZone) / length;
    return raw.map((value) => clip(value * scale));
  }

  /* The position now; call it once for each picture of the screen. */
  read(now) {
    const seconds = Math.min((now - this.last) / 1000, 0.1);
    this.last = now;
    if (this.device === "gamepad" && this.mode === "bounded") this.position = this.#push();
    else if (this.device === "keys" || this.device === "gamepad") {
      const push = this.#push();
      this.position = this.position.map((value, i) => {
        const moved = value + push[i] * PER_SECOND * seconds;
        return this.mode === "bounded" ? clip(moved) : moved;
      });
    }
    return this.position;
  }
}
