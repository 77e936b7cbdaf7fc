/* The labels of one pass, replayed from its history as kaffect/annotation/labels.py does. A value
   is a number in a row's list of words; -1 where nothing is said. */

export const UNSET = -1;
export const FACE = "face";
export const EXPRESSION = "expression";

export function rowsOf(project) {
  const rows = [];
  if (project.tasks.includes("expression")) {
    rows.push({ name: EXPRESSION, task: "expression", title: "Expression",
      words: [...project.expressions, "cannot tell"] });
  }
  if (project.tasks.includes("au")) {
    for (const [unit, title] of project.units) {
      rows.push({ name: unit, task: "au", title, words: ["absent", "present", "cannot tell"] });
    }
  }
  rows.push({ name: FACE, task: "face", title: "No face", words: ["no face"] });
  return rows;
}

export class Labels {
  constructor(rows, frames) {
    this.rows = new Map(rows.map((row) => [row.name, row]));
    this.frames = frames;
    this.base = {};
    this.steps = [];
    this.undone = [];
    this.clear();
  }

  load(history) {
    this.base = history?.base ?? {};
    this.steps = history?.steps ?? [];
    this.undone = history?.undone ?? [];
    this.replay();
  }

  clear() {
    this.values = new Map(
      [...this.rows.keys()].map((name) => [name, new Int8Array(this.frames).fill(UNSET)]),
    );
  }

  replay() {
    this.clear();
    for (const [row, runs] of Object.entries(this.base)) {
      for (const [first, last, word] of runs) this.#put([row, first, last, word]);
    }
    for (const step of this.steps) if (step.kind === "label") step.set.forEach((s) => this.#put(s));
  }

  #put([row, first, last, word]) {
    const values = this.values.get(row);
    if (!values) return; // a row of a task that this page does not show
    const code = word === null ? UNSET : this.rows.get(row).words.indexOf(word);
    values.fill(code, first, last + 1);
  }

  add(step) {
    this.steps.push(step);
    this.undone.length = 0;
    if (step.kind === "label") step.set.forEach((s) => this.#put(s));
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return null;
    this.undone.push(step);
    this.replay();
    return step;
  }

  redo() {
    const step = this.undone.pop();
    if (!step) return null;
    this.steps.push(step);
    if (step.kind === "label") step.set.forEach((s) => this.#put(s));
    return step;
  }

  at(row, frame) { return this.values.get(row)[frame]; }

  word(row, frame) {
    const code = this.at(row, frame);
    return code === UNSET ? null : this.rows.get(row).words[code];
  }

  /* [{first, last, code}] of the labelled frames that touch first..last. */
  runs(row, from = 0, to = this.frames - 1) {
    const values = this.values.get(row), found = [];
    let first = from;
    while (first <= to) {
      const code = values[first];
      let last = first;
      while (last < to && values[last + 1] === code) last += 1;
      if (code !== UNSET) found.push({ first, last, code });
      first = last + 1;
    }
    return found;
  }

  /* The whole run that a frame lies in, or null. */
  runAt(row, frame) {
    const values = this.values.get(row), code = values[frame];
    if (code === UNSET) return null;
    let first = frame, last = frame;
    while (first > 0 && values[first - 1] === code) first -= 1;
    while (last < this.frames - 1 && values[last + 1] === code) last += 1;
    return { first, last, code };
  }

  /* The next frame in a direction at which the row's value changes, or null. */
  nextEdge(row, frame, direction) {
    const values = this.values.get(row);
    for (let f = frame + direction; f >= 0 && f < this.frames; f += direction) {
      const other = direction > 0 ? f - 1 : f - 1;
      if (f > 0 && values[f] !== values[other]) return f;
    }
    return null;
  }

  /* The next frame without a value, from `frame` on and around the end, or null. */
  nextUnset(row, frame) {
    const values = this.values.get(row);
    for (let i = 1; i <= this.frames; i += 1) {
      const f = (frame + i) % this.frames;
      if (values[f] === UNSET && this.at(FACE, f) === UNSET) return f;
    }
    return null;
  }

  unset(row) {
    const values = this.values.get(row);
    let count = 0;
    for (let f = 0; f < this.frames; f += 1) if (values[f] === UNSET) count += 1;
    return count;
  }
}
