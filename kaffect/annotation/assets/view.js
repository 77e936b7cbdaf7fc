/* What the page shows of the app's state. Text is only ever set as text. */

import { DIGIT_NAMES } from "./keys.js";
import { EXPRESSION, FACE } from "./labels.js";
import { drawPlane } from "./plane.js";
import { clock } from "./timeline.js";

export const find = (id) => document.getElementById(id);
const TASK_NAMES = { va: "valence and arousal", au: "Action Units", expression: "expressions" };
const TRAIL = 30; // frames

export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class View {
  constructor(app) {
    this.app = app;
    find("who").textContent = `annotator ${app.project.annotator}`;
    find("va-tools").hidden = !app.project.tasks.includes("va");
    this.#rowButtons();
    this.#classButtons();
    this.#doneBoxes();
    this.#listen();
  }

  #rowButtons() {
    const { app } = this, box = find("rows");
    if (app.project.tasks.includes("va")) {
      const curve = element("div", "", { class: "curve" });
      curve.append(element("span", "valence "), element("span", "arousal"));
      box.append(curve);
    }
    const units = app.rows.filter((row) => row.task === "au");
    for (const row of app.rows) {
      const at = units.indexOf(row);
      const button = element("button", "", { type: "button", role: "radio", "data-row": row.name });
      if (at >= 0) button.append(element("kbd", DIGIT_NAMES[at]));
      const named = row.task === "au" ? [row.name, row.title] : [row.title, ""];
      button.append(element("span", named[0]), element("span", named[1], { class: "title" }));
      button.append(element("span", "", { class: "now" }));
      button.addEventListener("click", () => app.chooseRow(row.name));
      box.append(button);
    }
  }

  #classButtons() {
    this.app.project.expressions.forEach((word, i) => {
      const button = element("button", `${word} `, { type: "button" });
      button.append(element("kbd", DIGIT_NAMES[i]));
      button.addEventListener("click", () => {
        this.app.word = word;
        this.app.put(EXPRESSION, word);
      });
      find("class-actions").append(button);
    });
  }

  #doneBoxes() {
    for (const task of this.app.project.tasks) {
      const label = element("label", "", { class: "tick" });
      const box = element("input", "", { type: "checkbox", "data-task": task });
      box.addEventListener("change", () => this.app.setDone(task, box.checked));
      label.append(box, ` ${TASK_NAMES[task]} finished`);
      find("done").append(label);
    }
  }

  #listen() {
    const { app } = this;
    find("speed").addEventListener("change", (e) => app.setSpeed(Number(e.target.value)));
    find("loop").addEventListener("change", () => {
      app.player.loop = find("loop").checked ? app.selection : null;
    });
    find("show-overlay").addEventListener("change", () => this.frame(app.player.frame));
    for (const id of ["from", "to"]) {
      find(id).addEventListener("change", () => {
        const clip = (id_) => Math.min(Math.max(Math.round(Number(find(id_).value)) || 1, 1),
          app.info.frames) - 1;
        const first = clip("from"), last = find("to").value ? clip("to") : first;
        app.select(Math.min(first, last), Math.max(first, last));
      });
    }
    find("rest").addEventListener("click", () => app.restAbsent());
    find("accept").addEventListener("click", () => app.accept());
    find("verify").addEventListener("click", () => app.verify());
    find("zoom-in").addEventListener("click", () => app.timeline.zoom(0.5));
    find("zoom-out").addEventListener("click", () => app.timeline.zoom(2));
    find("open-queue").addEventListener("click", () => app.dialogs.show());
    find("open-help").addEventListener("click", () => find("help").showModal());
    find("open-trial").addEventListener("click", () => app.trial.show());
    find("device").addEventListener("change", (e) => {
      app.pointing.device = e.target.value;
      find("stick-zone").hidden = e.target.value !== "gamepad";
      find("calibrate").hidden = e.target.value !== "gamepad";
    });
    find("calibrate").addEventListener("click", () => {
      this.say(app.pointing.calibrate() ? "stick centred" : "no gamepad: press one of its buttons");
    });
    find("comment-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = find("comment").value.trim();
      if (text) app.comment(text);
      find("comment").value = "";
      find("comment").blur();
    });
    find("comment").addEventListener("keydown", (event) => {
      if (event.key === "Escape") find("comment").blur();
      if (event.key === "Enter" && event.ctrlKey) find("comment-form").requestSubmit();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.frame(app.player.frame);
    });
    find("runs-box").addEventListener("toggle", () => this.#runs());
  }

  say(text, state = "idle") {
    find("status").textContent = text;
    find("status").dataset.state = state;
  }

  saved(waiting, problem) {
    const refused = this.app.queue.rejected.length;
    if (problem) this.say(`not saved (${waiting}): ${problem}`, "error");
    else if (refused) this.say(`entries that were refused: ${refused}`, "error");
    else if (this.app.recorder?.recording) this.say("recording", "recording");
    else this.say(waiting ? "saving…" : "saved", waiting ? "idle" : "saved");
  }

  video() {
    const { app } = this;
    document.title = `${app.info.name} · kaffect annotate`;
    find("film").textContent = app.info.name;
    find("frames").textContent = app.info.frames;
    find("from").max = app.info.frames;
    find("to").max = app.info.frames;
    find("pass").textContent = app.pass === 2
      ? "Second pass: look at your labels over the video and correct them."
      : "First pass.";
    find("verify").hidden = app.pass === 2;
    for (const box of find("done").querySelectorAll("input")) {
      box.checked = app.info.done.some(([p, t]) => p === app.pass && t === box.dataset.task);
    }
    this.comments();
    this.selection();
  }

  frame(frame) {
    const { app } = this;
    find("frame").textContent = frame + 1;
    find("time").textContent = clock(frame);
    find("play").textContent = app.player.playing ? "Pause" : "Play";
    for (const button of find("rows").querySelectorAll("button")) {
      button.querySelector(".now").textContent = app.labels.word(button.dataset.row, frame) ?? "";
    }
    this.point(frame);
    this.#overlay(frame);
  }

  point(frame) {
    const { va, recorder, pointing } = this.app;
    if (!va) return;
    let point = [va[2 * frame], va[2 * frame + 1]];
    if (recorder.recording) point = pointing.position;
    const known = point.map((v) => (Number.isNaN(v) ? null : v));
    const shown = known.some((v) => v !== null) ? known.map((v) => v ?? 0) : null;
    const trail = this.trail(frame);
    drawPlane(find("plane"), { point: shown, trail, recording: recorder.recording });
    const text = (v) => (v === null ? "–" : v.toFixed(2).replace("-", "−"));
    find("point").textContent = `valence ${text(known[0])} · arousal ${text(known[1])}`;
  }

  trail(frame) {
    const found = [], { va } = this.app;
    for (let f = Math.max(0, frame - TRAIL); f < frame; f += 1) {
      if (!Number.isNaN(va[2 * f]) && !Number.isNaN(va[2 * f + 1])) {
        found.push([va[2 * f], va[2 * f + 1]]);
      }
    }
    return found;
  }

  #overlay(frame) {
    const shown = find("show-overlay").checked, { app } = this;
    find("overlay").hidden = !shown;
    if (!shown) return;
    const { va, labels } = app, point = [va[2 * frame], va[2 * frame + 1]];
    find("small-plane").hidden = !app.project.tasks.includes("va");
    drawPlane(find("small-plane"), {
      point: point.some(Number.isNaN) ? null : point, trail: this.trail(frame),
    });
    const words = [];
    for (const row of app.rows) {
      const word = labels.word(row.name, frame);
      if (word && word !== "absent") {
        words.push(row.task === "au" ? `${row.name}${word === "present" ? "" : "?"}`
          : row.name === EXPRESSION && word === "cannot tell" ? "expression?" : word);
      }
    }
    find("strip").textContent = words.join(" · ") || "no label";
  }

  labels() {
    const { app } = this, row = app.labels.rows.get(app.row);
    for (const button of find("rows").querySelectorAll("button")) {
      const chosen = button.dataset.row === app.row;
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    find("row-name").textContent = row.task === "au" ? row.name : row.title;
    find("unit-actions").hidden = row.task !== "au";
    find("class-actions").hidden = row.name !== EXPRESSION;
    find("rest").hidden = row.task !== "au";
    find("accept").hidden = !app.proposal || row.name === FACE;
    document.querySelector("[data-do=unsure]").hidden = row.name === FACE;
    this.#runs();
    this.frame(app.player.frame);
  }

  #runs() {
    if (!find("runs-box").open) return;
    const { app } = this, words = app.labels.rows.get(app.row).words;
    find("runs").replaceChildren(...app.labels.runs(app.row).slice(0, 500).map((run) => {
      const item = element("li");
      const button = element("button", `${words[run.code]}, frames ${run.first + 1} to ${run.last + 1}`,
        { type: "button" });
      button.addEventListener("click", () => {
        app.jump(run.first);
        app.select(run.first, run.last);
      });
      item.append(button);
      return item;
    }));
  }

  selection() {
    const { selection } = this.app;
    find("from").value = selection ? selection.first + 1 : "";
    find("to").value = selection ? selection.last + 1 : "";
  }

  comments() {
    const { app } = this;
    find("comments").replaceChildren(...app.info.comments.map(({ frame, text }) => {
      const item = element("li"), button = element("button", clock(frame), { type: "button" });
      button.addEventListener("click", () => app.jump(frame));
      item.append(button, " ", element("span", text));
      return item;
    }));
  }

  recording(on) {
    const button = find("record");
    button.setAttribute("aria-pressed", on);
    button.firstChild.textContent = on ? "Stop " : "Record from here ";
    this.saved(0, "");
  }

  /* 3, 2, 1; false where it was called off. */
  async countDown() {
    this.app.countdown = true;
    find("plane").focus({ preventScroll: true });
    for (const number of [3, 2, 1]) {
      find("countdown").hidden = false;
      find("countdown").textContent = number;
      await new Promise((resolve) => setTimeout(resolve, 700));
      if (!this.app.countdown) break;
    }
    find("countdown").hidden = true;
    const go = this.app.countdown;
    this.app.countdown = false;
    return go;
  }
}
