/* The list of videos, the help, and what the annotator has to know first. */

import { getJson } from "./api.js";
import { KEYS, readable } from "./keys.js";
import { clock } from "./timeline.js";
import { element, find } from "./view.js";

export class QueueDialog {
  constructor(app) {
    this.app = app;
    find("unfinished").addEventListener("change", () => this.#fill());
  }

  async show() {
    await this.app.queue.stored();
    this.app.project = await getJson("/api/project");
    this.#fill();
    find("queue").showModal();
  }

  #fill() {
    const { tasks, queue } = this.app.project;
    const wanted = queue.filter((v) => !find("unfinished").checked || v.done.length < tasks.length);
    find("queue-rows").replaceChildren(...wanted.map((video) => {
      const row = element("tr");
      const done = `${video.done.length} of ${tasks.length}${video.started ? "" : ", not begun"}`;
      row.append(
        element("td", video.name), element("td", clock(video.frames)), element("td", video.pass),
        element("td", done), element("td", video.comments || ""),
      );
      const button = element("button", "Open", { type: "button", "aria-label": `Open ${video.name}` });
      button.addEventListener("click", () => {
        find("queue").close();
        this.app.open(video.video);
      });
      const cell = element("td");
      cell.append(button);
      row.append(cell);
      return row;
    }));
  }
}

export function fillHelp() {
  find("help-rows").replaceChildren(...KEYS.map(([key, meaning]) => {
    const row = element("tr"), cell = element("td");
    cell.append(element("kbd", readable(key)));
    row.append(cell, element("td", meaning));
    return row;
  }));
}

export function showNotes(notes) {
  if (!notes.length) return;
  find("notes").replaceChildren(...notes.map((text) => element("li", text)));
  if (!find("note").open) find("note").showModal();
}

/* Two tabs would each undo what the other did: the second one is told. */
export function watchOtherTabs() {
  const channel = new BroadcastChannel("kaffect-annotate");
  channel.onmessage = (event) => {
    if (event.data === "opened") channel.postMessage("open already");
    else showNotes(["This page is open in another tab. Use one of them only, and reload it."]);
  };
  channel.postMessage("opened");
}
