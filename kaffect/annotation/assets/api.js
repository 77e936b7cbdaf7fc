/* What the page says to its server. Events are kept until the server has stored them, so that a
   server that is restarted misses nothing; each has an id, so that none is stored twice. */

export async function getJson(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error || `${answer.status}`);
  return body;
}

export async function getFloats(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return new Float32Array(await answer.arrayBuffer());
}

const EVERY = 250; // milliseconds; half a second at most lies between a deed and the disk
const AT_ONCE = 200; // events in one message

export class EventQueue {
  /* `report(waiting, problem)` is called whenever one of them changes. */
  constructor(project, report) {
    this.project = project;
    this.report = report;
    this.waiting = [];
    this.sending = false;
    this.rejected = [];
    this.atOnce = AT_ONCE;
    this.session = crypto.randomUUID().slice(0, 13);
    this.number = 0;
    this.timer = setInterval(() => this.flush(), EVERY);
    addEventListener("pagehide", () => this.flush(true));
    addEventListener("beforeunload", (event) => {
      if (this.waiting.length) event.preventDefault();
    });
  }

  add(event, now = true) {
    this.number += 1;
    this.waiting.push({ ...event, id: `${this.session}-${this.number}` });
    if (now) {
      this.report(this.waiting.length, "");
      this.flush();
    }
  }

  async flush(leaving = false) {
    if (!this.waiting.length || (this.sending && !leaving)) return;
    this.sending = true;
    const events = this.waiting.slice(0, this.atOnce);
    let problem = "";
    try {
      const answer = await fetch("/api/events", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ project: this.project, events }),
        keepalive: leaving,
      });
      if (answer.ok) {
        // By id: what was sent while the page was being left may be stored already.
        const sent = new Set(events.map((event) => event.id));
        this.waiting = this.waiting.filter((event) => !sent.has(event.id));
        if (!this.waiting.length) this.atOnce = AT_ONCE;
      } else {
        problem = (await answer.json()).error;
        // One that is refused must not hold up the others: they go one by one.
        if (answer.status === 400 && events.length === 1) this.rejected.push(this.waiting.shift());
        this.atOnce = 1;
      }
    } catch {
      problem = "the server does not answer; nothing is lost while this page stays open";
    }
    this.sending = false;
    this.report(this.waiting.length, problem);
    if (!problem && this.waiting.length) this.flush();
  }

  /* Resolves when everything is stored. */
  async stored() {
    while (this.waiting.length || this.sending) {
      await this.flush();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
