"use strict";
/* What is drawn: boxes over the video, the valence-arousal plane, the last seconds. */

// Colours that are told apart with every kind of colour vision (Okabe and Ito).
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"];
const HISTORY_SECONDS = 30;
const TRAIL_SECONDS = 4;

function colourOf(person) {
  return COLOURS[(person - 1) % COLOURS.length];
}

/* A colour of the style sheet, which differs in light and dark. */
function tone(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/* A canvas's context in CSS pixels, sharp on every screen; the canvas is cleared. */
function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  return { context, width, height };
}

/* Where a picture of this shape lies inside a canvas (object-fit: contain). */
function fitted(width, height, aspect) {
  const w = Math.min(width, height * aspect);
  const h = w / aspect;
  return { x: (width - w) / 2, y: (height - h) / 2, w, h };
}

function drawOverlay(canvas, faces, aspect) {
  const { context, width, height } = prepared(canvas);
  const area = fitted(width, height, aspect);
  for (const face of faces) {
    const [left, top, right, bottom] = face.box;
    const x = area.x + left * area.w;
    const y = area.y + top * area.h;
    context.strokeStyle = colourOf(face.person);
    context.lineWidth = 2.5;
    context.strokeRect(x, y, (right - left) * area.w, (bottom - top) * area.h);
    const text = `${face.person}  ${face.label || ""}`.trim();
    const wide = context.measureText(text).width + 14;
    const above = Math.max(area.y, y - 22);
    context.fillStyle = colourOf(face.person);
    context.fillRect(x - 1.25, above, wide, 22);
    context.fillStyle = "#fff";
    context.fillText(text, x + 6, above + 15.5);
  }
}

function drawPlane(canvas, people, now) {
  const { context, width } = prepared(canvas);
  const middle = width / 2;
  const radius = middle - 34;
  const place = (v, a) => [
    middle + Math.max(-1.05, Math.min(1.05, v)) * radius,
    middle - Math.max(-1.05, Math.min(1.05, a)) * radius,
  ];
  context.strokeStyle = tone("--rule");
  context.lineWidth = 1;
  for (const part of [0.5, 1]) {
    context.beginPath();
    context.arc(middle, middle, radius * part, 0, 2 * Math.PI);
    context.stroke();
  }
  context.beginPath();
  context.moveTo(middle - radius, middle);
  context.lineTo(middle + radius, middle);
  context.moveTo(middle, middle - radius);
  context.lineTo(middle, middle + radius);
  context.stroke();
  context.fillStyle = tone("--quiet");
  context.textAlign = "center";
  context.fillText("active", middle, middle - radius - 10);
  context.fillText("passive", middle, middle + radius + 20);
  context.save();
  context.translate(middle - radius - 12, middle);
  context.rotate(-Math.PI / 2);
  context.fillText("negative", 0, 0);
  context.restore();
  context.save();
  context.translate(middle + radius + 12, middle);
  context.rotate(Math.PI / 2);
  context.fillText("positive", 0, 0);
  context.restore();
  context.textAlign = "start";
  for (const [person, track] of people) {
    const recent = track.filter((point) => now - point.time < TRAIL_SECONDS);
    context.strokeStyle = context.fillStyle = colourOf(person);
    for (let i = 1; i < recent.length; i += 1) {
      context.globalAlpha = 0.55 * (1 - (now - recent[i].time) / TRAIL_SECONDS);
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(...place(recent[i - 1].valence, recent[i - 1].arousal));
      context.lineTo(...place(recent[i].valence, recent[i].arousal));
      context.stroke();
    }
    context.globalAlpha = 1;
    const last = recent[recent.length - 1];
    if (last) {
      context.beginPath();
      context.arc(...place(last.valence, last.arousal), 6.5, 0, 2 * Math.PI);
      context.fill();
      context.strokeStyle = tone("--card");
      context.stroke();
    }
  }
}

function drawHistory(canvas, people, now) {
  const { context, width, height } = prepared(canvas);
  const [left, right, top, bottom] = [34, width - 12, 8, height - 22];
  const across = (time) => right - ((now - time) / HISTORY_SECONDS) * (right - left);
  const down = (value) =>
    top + ((1 - Math.max(-1, Math.min(1, value))) / 2) * (bottom - top);
  context.strokeStyle = tone("--rule");
  context.fillStyle = tone("--quiet");
  context.lineWidth = 1;
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  context.textAlign = "end";
  for (const value of [-1, 0, 1]) {
    context.beginPath();
    context.moveTo(left, down(value));
    context.lineTo(right, down(value));
    context.stroke();
    context.fillText(["−1", "0", "+1"][value + 1], left - 7, down(value) + 4);
  }
  context.textAlign = "center";
  for (let seconds = 0; seconds <= HISTORY_SECONDS; seconds += 5) {
    const label = seconds ? `−${seconds} s` : "now";
    context.fillText(label, Math.min(across(now - seconds), right - 8), height - 5);
  }
  context.textAlign = "start";
  for (const [person, track] of people) {
    context.strokeStyle = colourOf(person);
    context.lineWidth = 1.8;
    for (const [name, dashes] of [["valence", []], ["arousal", [6, 4]]]) {
      context.setLineDash(dashes);
      context.beginPath();
      let before = null;
      for (const point of track) {
        if (now - point.time > HISTORY_SECONDS) continue;
        const joined = before !== null && point.time - before < 1;
        const at = [across(point.time), down(point[name])];
        if (joined) context.lineTo(...at);
        else context.moveTo(...at);
        before = point.time;
      }
      context.stroke();
    }
    context.setLineDash([]);
  }
}

/* Bars of the expression probabilities of each face that is seen now. */
function showPeople(parent, faces, labels) {
  const caption = parent.querySelector("figcaption");
  const parts = [caption];
  if (!faces.length) {
    const none = document.createElement("p");
    none.className = "quiet";
    none.textContent = "no face";
    parts.push(none);
  }
  for (const face of faces.slice(0, 3)) parts.push(personElement(face, labels));
  if (faces.length > 3) {
    const more = document.createElement("p");
    more.className = "quiet";
    more.textContent = `and ${faces.length - 3} more`;
    parts.push(more);
  }
  parent.replaceChildren(...parts);
}

function element(kind, name, text = "") {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

function signed(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
}

function personElement(face, labels) {
  const box = element("div", "person");
  const title = element("h2", "");
  const dot = element("span", "dot");
  dot.style.background = colourOf(face.person);
  title.append(dot, `person ${face.person}`);
  if (face.valence !== null) {
    const text = `valence ${signed(face.valence)}, arousal ${signed(face.arousal)}`;
    title.append(element("span", "va", text));
  }
  box.append(title);
  face.probabilities.forEach((value, index) => {
    const row = element("div", labels[index] === face.label ? "bar first" : "bar");
    const track = element("span", "track");
    const fill = element("div", "fill");
    fill.style.width = `${(100 * value).toFixed(1)}%`;
    fill.style.background = colourOf(face.person);
    track.append(fill);
    const shown = element("span", "value", `${Math.round(100 * value)} %`);
    row.append(element("span", "name", labels[index]), track, shown);
    box.append(row);
  });
  const units = Object.entries(face.action_units).filter(([, value]) => value >= 0.5);
  if (units.length) {
    const text = units.map(([name, value]) => `${name} ${Math.round(100 * value)} %`).join(", ");
    box.append(element("p", "quiet", `Action Units: ${text}`));
  }
  return box;
}
