"use strict";
/* The way of a frame: video -> JPEG -> WebSocket -> reading -> drawings. One frame is under way
   at a time, so that a slow server makes the page slow and never late. */

const LONGEST_SIDE = 640;
const find = (id) => document.getElementById(id);
const video = find("video");
const still = new Image();
const shutter = document.createElement("canvas");
const state = {
  socket: null, source: null, camera: null, labels: [], people: new Map(),
  frames: 0, busy: false, started: 0, lastTime: -1, times: [],
};

function say(text, kind) {
  find("status").textContent = text;
  find("status").dataset.state = kind;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/demo/ws`);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "hello") {
        state.labels = message.labels;
        resolve(socket);
      } else if (message.type === "reading") {
        show(message);
      } else {
        stop(message.error);
        reject(new Error(message.error));
      }
    };
    socket.onclose = () => {
      if (state.socket === socket) stop("The server ended the session");
      reject(new Error("The server does not take another session now"));
    };
  });
}

/* The source plays already, and `stop` was called before it was set up. */
async function start(source, camera = null) {
  Object.assign(state, {
    source, camera, frames: 0, busy: false, lastTime: -1, times: [], people: new Map(),
  });
  find("hint").hidden = true;
  find("stop").disabled = false;
  say("connecting…", "idle");
  try {
    state.socket = await connect();
  } catch (error) {
    if (state.source === source) stop(error.message);
    return;
  }
  say("running", "running");
  state.started = performance.now();
  requestAnimationFrame(tick);
}

function stop(problem = "") {
  const { socket, camera } = state;
  Object.assign(state, { socket: null, source: null, camera: null });
  if (socket) socket.close();
  if (camera) camera.getTracks().forEach((track) => track.stop());
  video.pause();
  if (video.srcObject) video.srcObject = null;
  find("stop").disabled = true;
  say(problem || "stopped", problem ? "error" : "idle");
}

function tick() {
  if (!state.socket) return;
  if (!state.busy) send();
  requestAnimationFrame(tick);
}

/* Seconds of what is shown: of the video for a file, of the clock for a camera. */
function now() {
  const live = state.camera || state.source === still;
  return live ? (performance.now() - state.started) / 1000 : video.currentTime;
}

function send() {
  const source = state.source;
  const [width, height] =
    source === video ? [video.videoWidth, video.videoHeight] : [still.naturalWidth, still.naturalHeight];
  const time = now();
  if (!width || (source === video && (video.readyState < 2 || time === state.lastTime))) return;
  if (time < state.lastTime) state.people.clear();
  state.lastTime = time;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  shutter.width = Math.round(width * scale);
  shutter.height = Math.round(height * scale);
  shutter.getContext("2d").drawImage(source, 0, 0, shutter.width, shutter.height);
  state.busy = true;
  const socket = state.socket;
  const sent = performance.now();
  shutter.toBlob(async (blob) => {
    const picture = new Uint8Array(await blob.arrayBuffer());
    const message = new Uint8Array(8 + picture.length);
    new DataView(message.buffer).setFloat64(0, time, true);
    message.set(picture, 8);
    state.sent = sent;
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
  }, "image/jpeg", 0.85);
}

function show(message) {
  state.busy = false;
  state.frames += 1;
  const clock = performance.now();
  state.times = [...state.times, clock].slice(-30);
  find("frames").textContent = state.frames;
  find("delay").textContent = Math.round(clock - state.sent);
  if (state.times.length > 1) {
    const seconds = (clock - state.times[0]) / 1000;
    find("rate").textContent = ((state.times.length - 1) / seconds).toFixed(1);
  }
  for (const face of message.faces) {
    if (face.valence === null) continue;
    const track = state.people.get(face.person) || [];
    track.push({ time: message.time, valence: face.valence, arousal: face.arousal });
    state.people.set(face.person, track);
  }
  for (const [person, track] of state.people) {
    while (track.length && message.time - track[0].time > HISTORY_SECONDS) track.shift();
    if (!track.length) state.people.delete(person);
  }
  drawOverlay(find("overlay"), message.faces, shutter.width / shutter.height);
  drawPlane(find("plane"), state.people, message.time);
  drawHistory(find("history"), state.people, message.time);
  showPeople(find("people"), message.faces, state.labels);
}

function frameShape(width, height) {
  find("screen").style.aspectRatio = `${width} / ${height}`;
}

find("camera").addEventListener("click", async () => {
  stop();
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 } };
    const camera = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    video.removeAttribute("src");
    video.hidden = false;
    video.srcObject = camera;
    await video.play();
    await start(video, camera);
  } catch (error) {
    const secure = window.isSecureContext ? "" : " (a camera needs localhost or https)";
    stop(`No camera: ${error.message}${secure}`);
  }
});

find("file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  stop();
  if (video.src) URL.revokeObjectURL(video.src);
  const url = URL.createObjectURL(file);
  try {
    if (file.type.startsWith("image/")) {
      still.src = url;
      await still.decode();
      frameShape(still.naturalWidth, still.naturalHeight);
      video.removeAttribute("src");
      video.poster = url;
      video.load();
      await start(still);
    } else {
      video.removeAttribute("poster");
      video.src = url;
      video.loop = true;
      await video.play();
      await start(video);
    }
  } catch (error) {
    stop(`${file.name} cannot be shown by this browser`);
  }
});

find("stop").addEventListener("click", () => stop());
video.addEventListener("loadedmetadata", () => {
  if (video.videoWidth) frameShape(video.videoWidth, video.videoHeight);
});

async function introduce() {
  try {
    const facts = await (await fetch("/demo/model.json")).json();
    find("model").textContent = `${facts.name}, version ${facts.version}`;
    find("warning").textContent = facts.warning;
  } catch (error) {
    say("The server does not answer", "error");
  }
  drawPlane(find("plane"), new Map(), 0);
  drawHistory(find("history"), new Map(), 0);
}

introduce();
function redraw() {
  drawPlane(find("plane"), state.people, state.lastTime);
  drawHistory(find("history"), state.people, state.lastTime);
}

window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
