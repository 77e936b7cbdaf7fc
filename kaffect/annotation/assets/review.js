/* The supervisor's page: agreement as the logs grow, and the frames to look at again. */

import { getJson } from "./api.js";
import { Player } from "./player.js";
import { clock } from "./timeline.js";
import { element, find } from "./view.js";

const TASK_NAMES = { va: "valence and arousal", au: "Action Units", expression: "expressions" };
const EVERY = 4000; // milliseconds between two looks at the logs
const player = new Player(find("video"), 30);
let report = null, shown = "", loaded = null;

const number = (value, digits = 3) => (
  value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−")
);

function row(cells, numbers = []) {
  const made = element("tr");
  cells.forEach((cell, i) => {
    const td = element("td", cell, numbers.includes(i) ? { class: "number" } : {});
    made.append(td);
  });
  return made;
}

function people() {
  find("people").replaceChildren(...report.annotators.map((person) => {
    const { done, videos, trial } = person;
    const of = (count) => `${count} of ${videos}`;
    const text = !trial ? "not done"
      : `${trial.flagged ? "not passed, " : ""}delay ${trial.delay} frames, `
        + `reliability ${number(trial.reliability, 2)}`;
    const made = row([person.name, of(done.va), of(done.expression), of(done.au),
      of(person.verified), text], [1, 2, 3, 4]);
    if (trial?.flagged) made.lastChild.className = "flag";
    return made;
  }));
  find("notes").replaceChildren(
    ...[...report.damaged, ...report.lacking.slice(0, 20)].map((text) => element("li", text)),
  );
}

function figures(video) {
  const found = [], { agreement, task } = video;
  if (task === "va") {
    for (const name of ["valence", "arousal"]) {
      const of = agreement[name]["delays corrected"], weighted = video.weighted[name];
      const weights = Object.entries(weighted.weights)
        .map(([who, weight]) => `${who} ${number(weight, 2)}`).join(", ");
      found.push([name, "–", number(of["mean ccc"]), number(of["icc absolute"]), "–",
        `${weights}; CCC with the plain mean ${number(weighted["ccc with plain mean"])}`]);
    }
    return found;
  }
  if (task === "expression") {
    found.push(["expression", number(agreement["all expressions"].kappa), "–", "–", "–", ""]);
  }
  const entries = agreement["action units"] ?? agreement.expressions;
  for (const [name, of] of Object.entries(entries)) {
    if (of["marked by any"]) {
      const marked = `${of["marked by any"]} / ${of["marked by all"]}`;
      found.push([name, number(of.kappa), "–", "–", marked, ""]);
    }
  }
  return found;
}

function agreement() {
  const rows = [];
  for (const video of report.videos) {
    figures(video).forEach((cells, i) => rows.push(row(
      [i ? "" : video.video, ...cells, i ? "" : String(video.disagreements)], [2, 3, 4, 5, 7],
    )));
  }
  find("agreement").replaceChildren(...rows);
  const delays = report.videos.filter((v) => v.task === "va").map((v) => {
    const each = Object.entries(v.agreement["delay in frames"]).map(([who, lag]) => `${who} ${lag}`);
    return `${v.video}: ${each.join(", ")}`;
  });
  const source = report.reference === "trial" ? "of the trials" : "estimated from the traces";
  find("delays").textContent = delays.length
    ? `Delays in frames that were corrected, ${source}: ${delays.join("; ")}.` : "";
}

function choices() {
  const key = (video) => `${video.place}-${video.task}`;
  const before = find("which").value;
  find("which").replaceChildren(...report.videos.filter((v) => v.runs.length).map((video) => (
    element("option", `${video.video}, ${TASK_NAMES[video.task]}: ${video.disagreements}`, { value: key(video) })
  )));
  if ([...find("which").options].some((o) => o.value === before)) find("which").value = before;
  runs(report.videos.find((video) => key(video) === find("which").value));
}

function runs(video) {
  find("runs-table").replaceChildren(...(video?.runs ?? []).map((run) => {
    const word = (what) => (video.task === "au" ? ["absent", "present"][what] : what);
    const said = Object.entries(run.said).map(([who, what]) => `${who}: ${word(what)}`).join("; ");
    const made = row(["", run.label, said]);
    const button = element("button", run.first === run.last ? run.first : `${run.first} to ${run.last}`, { type: "button" });
    button.addEventListener("click", () => look(video, run));
    made.firstChild.append(button);
    return made;
  }));
}

async function look(video, run) {
  if (loaded !== video.place) {
    await player.load(`/api/videos/${video.place}/film.mp4`, Number.MAX_SAFE_INTEGER);
    loaded = video.place;
  }
  await player.pause();
  await player.seek(run.first - 1);
}

player.onframe((frame) => { find("where").textContent = `frame ${frame + 1} · ${clock(frame)}`; });

function comments() {
  find("comments").replaceChildren(...report.annotators.flatMap((person) => (
    person.comments.map((one) => (
      element("li", `${person.name}, ${one.video}, frame ${one.frame + 1}: ${one.text}`)
    ))
  )));
}

async function refresh() {
  try {
    report = await getJson("/api/review");
    const text = JSON.stringify(report);
    if (text !== shown) {
      shown = text;
      people();
      agreement();
      choices();
      comments();
    }
    find("status").textContent = "up to date";
    find("status").dataset.state = "saved";
  } catch (error) {
    find("status").textContent = error.message;
    find("status").dataset.state = "error";
  }
}

find("which").addEventListener("change", () => choices());
find("select").addEventListener("click", async () => {
  find("select").disabled = true;
  find("written").textContent = "writing…";
  const answer = await fetch("/api/select", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
  });
  const body = await answer.json();
  find("written").textContent = answer.ok ? `written: ${body.written}` : body.error;
  find("select").disabled = false;
});
globalThis.kaffectReview = { player, get report() { return report; } };
await refresh();
setInterval(refresh, EVERY);
