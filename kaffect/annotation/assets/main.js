/* The page of one annotator: what each key and button does. */

import { EventQueue, getFloats, getJson } from "./api.js";
import { Pointing } from "./devices.js";
import { QueueDialog, fillHelp, showNotes, watchOtherTabs } from "./dialogs.js";
import { actionOf } from "./keys.js";
import { EXPRESSION, FACE, Labels, UNSET, rowsOf } from "./labels.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { Recorder } from "./trace.js";
import { Trial } from "./trial.js";
import { View, find } from "./view.js";

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.5, 2];

class App {
  async start() {
    this.project = await getJson("/api/project");
    this.rows = rowsOf(this.project);
    this.queue = new EventQueue(this.project.project, (n, problem) => this.view.saved(n, problem));
    this.player = new Player(find("video"), this.project.fps);
    this.pointing = new Pointing(find("plane"));
    this.recorder = new Recorder(this.queue, this.pointing, (now) => ({
      time: this.player.timeAt(now), frame: this.player.frame, running: this.player.playing,
    }));
    this.recorder.onsample = (frame, x, y) => this.#sampled(frame, x, y);
    this.timeline = new Timeline(
      find("timeline"), this.rows, this.project.tasks.includes("va"),
      {
        seek: (frame) => this.player.step(frame - (this.player.wanted ?? this.player.frame)),
        select: (first, last) => this.select(first, last),
        row: (name) => this.chooseRow(name),
        setEdge: (row, run, first, last) => this.setEdge(row, run, first, last),
      },
    );
    this.view = new View(this);
    this.dialogs = new QueueDialog(this);
    this.trial = new Trial(this);
    this.digits = this.project.tasks.includes("au") ? "au" : "expression";
    this.word = this.project.expressions[0];
    this.held = new Map();
    this.shown = 0;
    fillHelp();
    this.player.onframe((frame) => this.#framed(frame));
    this.#listen();
    this.view.saved(0, "");
    showNotes(this.project.damaged);
    watchOtherTabs();
    const next = this.project.queue.find((v) => v.done.length < this.project.tasks.length);
    await this.open((next ?? this.project.queue[0]).video);
  }

  async open(place) {
    try {
      await this.#open(place);
    } catch (error) {
      this.view.say(error.message, "error");
    }
  }

  async #open(place) {
    await this.stopRecording();
    await this.queue.stored();
    this.info = await getJson(`/api/videos/${place}`);
    this.pass = this.info.pass;
    this.labels = new Labels(this.rows, this.info.frames);
    this.labels.load(this.info.passes[this.pass]);
    this.proposal = null;
    if (this.info.passes[0]) {
      this.proposal = new Labels(this.rows, this.info.frames);
      this.proposal.load(this.info.passes[0]);
    }
    this.proposedVa = this.proposal ? await getFloats(`/api/videos/${place}/va/0`) : null;
    this.selection = null;
    await this.fetchCurve();
    this.timeline.show(this.labels, this.proposal, this.va, this.proposedVa);
    await this.player.load(`/api/videos/${place}/film.mp4`, this.info.frames);
    this.player.speed = Number(find("speed").value);
    this.chooseRow(this.row ?? (this.rows.find((r) => r.task === this.digits) ?? this.rows[0]).name);
    this.view.video();
    this.#framed(this.player.frame);
  }

  async fetchCurve() {
    this.va = await getFloats(`/api/videos/${this.info.video}/va/${this.pass}`);
    this.timeline.va = this.va;
    this.timeline.paint();
  }

  #framed(frame) {
    if (!this.labels) return;
    this.timeline.follow(frame);
    this.view.frame(frame);
    const over = this.recorder.recording && !this.player.playing && !this.starting;
    if (over) this.stopRecording();
  }

  /* ---- labels ---- */

  /* Where a label goes: the selection, or the shown frame. */
  range() {
    return this.selection ?? { first: this.player.frame, last: this.player.frame };
  }

  commit(set) {
    const step = { kind: "label", video: this.info.name, pass: this.pass, set };
    this.labels.add({ kind: "label", set });
    this.queue.add(step);
    this.#changed();
  }

  #changed() {
    this.timeline.paint();
    this.view.labels();
  }

  put(row, word, { first, last } = this.range()) {
    this.commit([[row, first, last, word]]);
  }

  setEdge(row, run, first, last) {
    const word = this.labels.rows.get(row).words[run.code];
    const set = [];
    if (first > run.first) set.push([row, run.first, first - 1, null]);
    if (last < run.last) set.push([row, last + 1, run.last, null]);
    if (first < run.first || last > run.last) set.push([row, first, last, word]);
    if (set.length) this.commit(set);
  }

  nudge(edge, by) {
    const run = this.labels.runAt(this.row, this.player.frame);
    if (!run) return;
    const first = edge === "first" ? Math.max(run.first - by, 0) : run.first;
    const last = edge === "last" ? Math.min(run.last + by, this.info.frames - 1) : run.last;
    if (first <= last) this.setEdge(this.row, run, first, last);
  }

  /* A number key or a label button: row and word of it, or null. */
  numbered(place, kind) {
    if (this.digits === "au") {
      const row = this.rows.filter((one) => one.task === "au")[place];
      if (!row) return null;
      const word = { number: "present", numberAbsent: "absent", numberUnsure: "cannot tell" }[kind];
      return { row: row.name, word };
    }
    if (!this.project.tasks.includes("expression")) return null;
    if (kind === "numberUnsure") return { row: EXPRESSION, word: "cannot tell" };
    const word = this.project.expressions[place];
    return word && kind === "number" ? { row: EXPRESSION, word } : null;
  }

  pressNumber(place, kind, event) {
    const target = this.numbered(place, kind);
    if (!target) return;
    this.chooseRow(target.row);
    if (target.row === EXPRESSION && target.word !== "cannot tell") this.word = target.word;
    if (this.player.playing && !this.selection) {
      // Held while it plays: the range ends where the key is released.
      this.held.set(event.code, { ...target, first: this.player.frame });
      this.view.labels();
    } else this.put(target.row, target.word);
  }

  releaseNumber(code) {
    const held = this.held.get(code);
    if (!held) return;
    this.held.delete(code);
    const frame = this.player.frame;
    this.put(held.row, held.word, {
      first: Math.min(held.first, frame), last: Math.max(held.first, frame),
    });
  }

  labelActive(word) {
    const row = this.labels.rows.get(this.row);
    if (row.name === FACE) this.put(FACE, word === null ? null : "no face");
    else if (row.name === EXPRESSION && word === "present") this.put(EXPRESSION, this.word);
    else if (word === null || row.words.includes(word)) this.put(this.row, word);
  }

  restAbsent() {
    const row = this.labels.rows.get(this.row), set = [];
    if (row.task !== "au") return;
    const values = this.labels.values.get(this.row);
    for (let f = 0; f < this.info.frames; f += 1) {
      if (values[f] !== UNSET) continue;
      let last = f;
      while (last < this.info.frames - 1 && values[last + 1] === UNSET) last += 1;
      set.push([this.row, f, last, "absent"]);
      f = last;
    }
    if (set.length) this.commit(set);
  }

  /* The proposal of the row, in the selection or everywhere, becomes this person's label. */
  accept() {
    if (!this.proposal) return;
    const { first, last } = this.selection ?? { first: 0, last: this.info.frames - 1 };
    const words = this.labels.rows.get(this.row).words;
    const set = this.proposal.runs(this.row, first, last)
      .map((run) => [this.row, run.first, run.last, words[run.code]]);
    if (set.length) this.commit(set);
  }

  async step(direction) {
    const step = direction < 0 ? this.labels.undo() : this.labels.redo();
    if (!step) return;
    const kind = direction < 0 ? "undo" : "redo";
    this.queue.add({ kind, video: this.info.name, pass: this.pass });
    this.#changed();
    if (step.kind !== "label") {
      await this.queue.stored();
      await this.fetchCurve();
      this.view.frame(this.player.frame);
    }
  }

  chooseRow(name) {
    this.row = name;
    this.timeline.active = name;
    const { task } = this.labels.rows.get(name);
    if (task === "au" || task === "expression") this.digits = task;
    this.#changed();
  }

  moveRow(by) {
    const at = this.rows.findIndex((row) => row.name === this.row);
    this.chooseRow(this.rows[(at + by + this.rows.length) % this.rows.length].name);
  }

  select(first, last) {
    this.selection = { first, last };
    this.#selected();
  }

  selectNone() {
    this.selection = null;
    this.#selected();
  }

  #selected() {
    this.timeline.selection = this.selection;
    this.player.loop = find("loop").checked ? this.selection : null;
    this.timeline.paint();
    this.view.selection();
  }

  jump(frame) { if (frame !== null) this.player.step(frame - this.player.frame); }

  /* ---- valence and arousal ---- */

  async toggleRecording() {
    if (!this.project.tasks.includes("va")) return;
    if (this.recorder.recording || this.countdown) {
      await this.player.pause();
      await this.stopRecording();
      return;
    }
    if (this.player.playing) await this.player.pause();
    this.selectNone();
    this.pointing.device = find("device").value;
    this.pointing.mode = find("mode").value;
    this.pointing.deadZone = Number(find("dead-zone").value) || 0;
    const frame = this.player.frame, { va } = this;
    const before = frame > 0 ? [va[2 * frame - 2], va[2 * frame - 1]] : [0, 0];
    this.pointing.begin(before.some(Number.isNaN) ? [0, 0] : before);
    if (!(await this.view.countDown(() => this.countdown))) return;
    const dimensions = find("dimensions").value;
    const both = dimensions === "both" ? ["valence", "arousal"] : [dimensions];
    this.traced = both;
    this.recorder.start(this.info.name, this.pass, both, this.player.speed);
    this.labels.add({ kind: "take" });
    this.view.recording(true);
    this.starting = true;
    await this.player.play();
    this.starting = false;
  }

  #sampled(frame, x, y) {
    if (this.traced.includes("valence")) this.va[2 * frame] = Math.max(-1, Math.min(x, 1));
    if (this.traced.includes("arousal")) this.va[2 * frame + 1] = Math.max(-1, Math.min(y, 1));
    this.view.point(frame);
  }

  async stopRecording() {
    this.countdown = false;
    if (!this.recorder.recording) return;
    const { player } = this;
    const whole = player.frame >= player.frames - 1;
    this.recorder.stop(whole ? player.frames / player.fps : player.mediaTime + 1 / player.fps);
    this.view.recording(false);
    await this.queue.stored();
    await this.fetchCurve();
    this.view.frame(player.frame);
  }

  /* ---- the video as a whole ---- */

  setDone(task, done) {
    this.queue.add({ kind: "done", video: this.info.name, pass: this.pass, task, done });
    this.info.done = this.info.done.filter(([p, t]) => p !== this.pass || t !== task);
    if (done) this.info.done.push([this.pass, task]);
  }

  async verify() {
    this.queue.add({ kind: "pass", video: this.info.name, pass: 2 });
    await this.queue.stored();
    find("show-overlay").checked = true;
    await this.open(this.info.video);
    await this.player.play();
  }

  comment(text) {
    const { frame } = this.player;
    this.queue.add({ kind: "comment", video: this.info.name, pass: this.pass, frame, text });
    this.info.comments.push({ frame, text });
    this.view.comments();
  }

  setSpeed(value) {
    this.player.speed = value;
    find("speed").value = String(value);
  }

  /* ---- keys and buttons ---- */

  async act(action, digit = -1, event = null) {
    const { player } = this, end = this.info.frames - 1, speed = SPEEDS.indexOf(player.speed);
    const acts = {
      toggle: () => player.toggle(), back: () => player.step(-1), on: () => player.step(1),
      backSecond: () => player.step(-player.fps), onSecond: () => player.step(player.fps),
      first: () => player.step(-player.frames), last: () => player.step(player.frames),
      slower: () => this.setSpeed(SPEEDS[Math.max(speed - 1, 0)]),
      faster: () => this.setSpeed(SPEEDS[Math.min(speed + 1, SPEEDS.length - 1)]),
      loop: () => { find("loop").checked = !find("loop").checked; this.#selected(); },
      rowUp: () => this.moveRow(-1), rowDown: () => this.moveRow(1),
      nextEdge: () => this.jump(this.labels.nextEdge(this.row, player.frame, 1)),
      previousEdge: () => this.jump(this.labels.nextEdge(this.row, player.frame, -1)),
      nextUnset: () => this.jump(this.labels.nextUnset(this.row, player.frame)),
      selectFirst: () => this.select(player.frame, Math.max(player.frame, this.selection?.last ?? 0)),
      selectLast: () => this.select(Math.min(player.frame, this.selection?.first ?? end), player.frame),
      selectNone: () => this.selectNone(),
      present: () => this.labelActive("present"), absent: () => this.labelActive("absent"),
      unsure: () => this.labelActive("cannot tell"), clear: () => this.labelActive(null),
      noFace: () => this.put(FACE, "no face"),
      number: () => this.pressNumber(digit, "number", event),
      numberAbsent: () => this.pressNumber(digit, "numberAbsent", event),
      numberUnsure: () => this.pressNumber(digit, "numberUnsure", event),
      nudgeFirst: () => this.nudge("first", digit), nudgeLast: () => this.nudge("last", digit),
      undo: () => this.step(-1), redo: () => this.step(1),
      digits: () => {
        const other = this.digits === "au" ? "expression" : "au";
        const row = this.rows.find((r) => r.task === other);
        if (row) this.chooseRow(row.name);
      },
      record: () => this.toggleRecording(),
      overlay: () => { find("show-overlay").click(); },
      comment: () => find("comment").focus(), queue: () => this.dialogs.show(),
      help: () => find("help").showModal(),
    };
    // While a trace is recorded only what stops it is allowed: a label step would not fit between.
    const busy = this.recorder.recording || this.countdown;
    if (busy && !["record", "toggle", "help"].includes(action)) return;
    if (busy && action === "toggle") await this.toggleRecording();
    else await acts[action]();
  }

  #listen() {
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("keyup", (event) => {
      if (!this.pointing.key(event, false)) this.releaseNumber(event.code);
    });
    addEventListener("blur", () => [...this.held.keys()].forEach((c) => this.releaseNumber(c)));
    addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.do) this.act(button.dataset.do, Number(button.dataset.by ?? 1), event);
      // A button that was clicked with a pointer must not take the next space bar.
      if (button && event.detail > 0 && !button.closest("dialog")) button.blur();
    });
  }

  #key(event) {
    const typing = event.target.closest("input, select, textarea, dialog, summary");
    if (typing || event.isComposing || document.querySelector("dialog[open]")) return;
    if (this.recorder.recording && this.pointing.key(event, true)) {
      event.preventDefault();
      return;
    }
    const onButton = event.target.closest("button");
    if (onButton && ["Space", "Enter"].includes(event.code)) return;
    const found = actionOf(event);
    if (!found) return;
    event.preventDefault();
    const again = ["back", "on", "backSecond", "onSecond", "undo", "redo", "nudgeFirst", "nudgeLast"];
    if (event.repeat && !again.includes(found[0])) return;
    this.act(found[0], found[1], event);
  }
}

const app = new App();
globalThis.kaffectAnnotate = app; // for the console and the tests
app.ready = app.start().then(() => true, (error) => {
  find("status").textContent = error.message;
  find("status").dataset.state = "error";
});
