/* The timeline: a strip for each row, the curve of valence and arousal, the selection and the
   shown frame. All that can be done here with a mouse can be done with keys as well. */

import { UNSET } from "./labels.js";

export const ROW = 24; // CSS pixels, as in style.css
export const CURVE = 60;
const GRIP = 5; // pixels around an edge in which it is taken

export class Timeline {
  /* `act` has seek(frame), select(first, last), row(name), setEdge(row, run, first, last). */
  constructor(canvas, rows, curve, act) {
    this.canvas = canvas;
    this.rows = rows;
    this.curve = curve; // whether valence and arousal are shown
    this.act = act;
    this.labels = null;
    this.proposal = null;
    this.va = null;
    this.frames = 1;
    this.from = 0; // first frame in view
    this.span = 1; // frames in view
    this.frame = 0;
    this.selection = null;
    this.active = null;
    this.drag = null;
    this.dirty = true;
    this.painted = 0;
    new ResizeObserver(() => this.paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.paint(); });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get top() { return this.curve ? CURVE : 0; }

  show(labels, proposal, va, proposedVa) {
    Object.assign(this, { labels, proposal, va, proposedVa, frames: labels.frames, from: 0 });
    this.span = labels.frames;
    this.canvas.style.height = `${this.top + ROW * this.rows.length + 18}px`;
    this.paint();
  }

  zoom(factor) {
    const span = Math.max(20, Math.min(Math.round(this.span * factor), this.frames));
    this.from = this.frame - Math.round((this.frame - this.from) * (span / this.span));
    this.span = span;
    this.#clampView();
    this.paint();
  }

  #clampView() { this.from = Math.max(0, Math.min(this.from, this.frames - this.span)); }

  /* Keep the shown frame in view. */
  follow(frame) {
    this.frame = frame;
    if (frame < this.from || frame >= this.from + this.span) {
      this.from = frame - Math.round(this.span * 0.1);
      this.#clampView();
    }
    this.paint();
  }

  x(frame) { return ((frame - this.from) / this.span) * this.canvas.clientWidth; }

  frameAt(x) {
    const frame = Math.floor(this.from + (x / this.canvas.clientWidth) * this.span);
    return Math.max(0, Math.min(frame, this.frames - 1));
  }

  rowAt(y) { return this.rows[Math.floor((y - this.top) / ROW)] ?? null; }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #grip(x, y) {
    const row = this.rowAt(y);
    if (!row) return null;
    for (const frame of [this.frameAt(x - GRIP), this.frameAt(x), this.frameAt(x + GRIP)]) {
      const run = this.labels.runAt(row.name, frame);
      if (!run) continue;
      if (Math.abs(this.x(run.first) - x) < GRIP) return { row: row.name, run, edge: "first" };
      if (Math.abs(this.x(run.last + 1) - x) < GRIP) return { row: row.name, run, edge: "last" };
    }
    return null;
  }

  #down(event) {
    if (!this.labels || event.button !== 0) return;
    const [x, y] = this.#place(event);
    this.canvas.setPointerCapture(event.pointerId);
    const row = this.rowAt(y);
    if (row) this.act.row(row.name);
    const frame = this.frameAt(x);
    this.drag = { x, start: frame, now: frame, grip: this.#grip(x, y), moved: false };
  }

  #move(event) {
    if (!this.labels) return;
    const [x, y] = this.#place(event);
    if (!this.drag) {
      this.canvas.style.cursor = this.#grip(x, y) ? "ew-resize" : "crosshair";
      return;
    }
    this.drag.now = this.frameAt(x);
    this.drag.moved ||= Math.abs(x - this.drag.x) > 3;
    if (this.drag.moved && !this.drag.grip) {
      const { start, now } = this.drag;
      this.act.select(Math.min(start, now), Math.max(start, now));
    }
    this.paint();
  }

  #up() {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    if (!drag.moved) {
      this.act.seek(drag.start);
      return;
    }
    if (!drag.grip) return;
    const { first, last } = this.#dragged(drag);
    this.act.setEdge(drag.grip.row, drag.grip.run, first, last);
  }

  #dragged({ grip, now }) {
    const { run } = grip;
    if (grip.edge === "first") return { first: Math.min(now, run.last), last: run.last };
    return { first: run.first, last: Math.max(now, run.first) };
  }

  #wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
    else {
      this.from += Math.round((Math.sign(event.deltaY || event.deltaX) * this.span) / 12);
      this.#clampView();
      this.paint();
    }
  }

  /* Paint once in the next picture of the screen. */
  paint() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.draw(); });
  }

  draw() {
    const { canvas } = this, scale = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * scale);
    const height = Math.round(canvas.clientHeight * scale);
    if (!this.labels || !width || !height) return;
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const g = canvas.getContext("2d");
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const style = getComputedStyle(canvas);
    const ink = (name) => style.getPropertyValue(`--${name}`).trim();
    if (this.curve) this.#curve(g, ink);
    this.rows.forEach((row, i) => this.#row(g, ink, row, this.top + ROW * i));
    this.#rulers(g, ink);
    this.painted += 1;
    this.paintedAt = performance.now();
  }

  #row(g, ink, row, y) {
    const width = this.canvas.clientWidth, end = Math.min(this.from + this.span, this.frames) - 1;
    if (row.name === this.active) {
      g.fillStyle = ink("active");
      g.fillRect(0, y, width, ROW);
    }
    g.fillStyle = ink("rule");
    g.fillRect(0, y + ROW - 1, width, 1);
    if (this.proposal) {
      g.strokeStyle = ink("quiet");
      g.setLineDash([3, 3]);
      for (const run of this.proposal.runs(row.name, this.from, end)) {
        const left = this.x(run.first), width = Math.max(this.x(run.last + 1) - left - 1, 2);
        const thin = row.words[run.code] === "absent";
        g.strokeRect(left + 0.5, thin ? y + ROW - 6.5 : y + 2.5, width, thin ? 0.5 : ROW - 6);
      }
      g.setLineDash([]);
    }
    const grip = this.drag?.grip;
    for (let run of this.labels.runs(row.name, this.from, end)) {
      if (grip && grip.row === row.name && run.first <= grip.run.last
          && run.last >= grip.run.first) run = { ...run, ...this.#dragged(this.drag) };
      this.#run(g, ink, row, y, run);
    }
  }

  #run(g, ink, row, y, run) {
    const left = this.x(run.first), width = Math.max(this.x(run.last + 1) - left, 1.5);
    const word = row.words[run.code];
    g.fillStyle = ink(colourOf(row, run.code));
    const thin = word === "absent";
    g.fillRect(left, y + (thin ? ROW - 8 : 3), width, thin ? 4 : ROW - 7);
    if (word === "cannot tell" || word === "no face") this.#hatch(g, ink, left, y + 3, width);
    const text = row.name === "expression" || word === "cannot tell" ? word : "";
    if (text && width > 8 * text.length) {
      g.fillStyle = ink("on-label");
      g.font = "12px system-ui, sans-serif";
      g.fillText(text, left + 4, y + ROW - 8, width - 6);
    }
  }

  /* States differ in pattern as well as in colour. */
  #hatch(g, ink, left, top, width) {
    g.save();
    g.beginPath();
    g.rect(left, top, width, ROW - 7);
    g.clip();
    g.strokeStyle = ink("ground");
    g.globalAlpha = 0.4;
    g.lineWidth = 1;
    g.beginPath();
    for (let x = left - ROW; x < left + width; x += 7) {
      g.moveTo(x, top + ROW);
      g.lineTo(x + ROW, top);
    }
    g.stroke();
    g.restore();
  }

  #curve(g, ink) {
    const width = this.canvas.clientWidth, middle = CURVE / 2;
    g.fillStyle = ink("rule");
    g.fillRect(0, middle, width, 1);
    g.fillRect(0, CURVE - 1, width, 1);
    if (this.proposedVa) this.#trace(g, this.proposedVa, [ink("quiet"), ink("quiet")], 1);
    if (this.va) this.#trace(g, this.va, [ink("valence"), ink("arousal")], 2);
  }

  /* Valence as a line, arousal as a dashed one. */
  #trace(g, va, colours, thickness) {
    const width = this.canvas.clientWidth, middle = CURVE / 2;
    const each = Math.max(1, Math.floor(this.span / width / 2));
    [0, 1].forEach((column) => {
      g.strokeStyle = colours[column];
      g.lineWidth = thickness;
      g.setLineDash(column ? [5, 3] : []);
      g.beginPath();
      let pen = false;
      for (let f = this.from; f < this.from + this.span && f < this.frames; f += each) {
        const value = va[2 * f + column];
        if (Number.isNaN(value)) { pen = false; continue; }
        const x = this.x(f + 0.5), y = middle - value * (middle - 4);
        if (pen) g.lineTo(x, y); else g.moveTo(x, y);
        pen = true;
      }
      g.stroke();
    });
    g.setLineDash([]);
  }

  #rulers(g, ink) {
    const bottom = this.top + ROW * this.rows.length, width = this.canvas.clientWidth;
    if (this.selection) {
      const left = this.x(this.selection.first), right = this.x(this.selection.last + 1);
      g.fillStyle = ink("selection");
      g.fillRect(left, 0, Math.max(right - left, 2), bottom);
      g.strokeStyle = ink("accent");
      g.strokeRect(left + 0.5, 0.5, Math.max(right - left - 1, 1), bottom - 1);
    }
    g.fillStyle = ink("quiet");
    g.font = "11px system-ui, sans-serif";
    const step = [1, 5, 15, 30, 60, 150, 300, 900, 1800, 9000, 18000, 54000].find(
      (frames) => (frames / this.span) * width > 70,
    ) ?? 108000;
    for (let f = Math.ceil(this.from / step) * step; f < this.from + this.span; f += step) {
      g.fillRect(this.x(f), bottom, 1, 4);
      if (this.x(f) < width - 46) g.fillText(clock(f), this.x(f) + 3, bottom + 13);
    }
    const x = this.x(this.frame), wide = Math.max(this.x(this.frame + 1) - x, 2);
    g.fillStyle = ink("cursor");
    g.globalAlpha = 0.35;
    g.fillRect(x, 0, wide, bottom);
    g.globalAlpha = 1;
    g.fillRect(x, 0, 2, bottom + 5);
  }
}

function colourOf(row, code) {
  if (code === UNSET) return "ground";
  const word = row.words[code];
  if (word === "cannot tell") return "unsure";
  if (word === "no face") return "no-face";
  if (row.name === "expression") return `class-${code}`;
  return word === "absent" ? "absent" : "present";
}

/* 0:05.12: minutes, seconds and the frame within the second. */
export function clock(frame) {
  const seconds = Math.floor(frame / 30), minutes = Math.floor(seconds / 60);
  const two = (n) => String(n).padStart(2, "0");
  return `${minutes}:${two(seconds % 60)}.${two(frame % 30)}`;
}
