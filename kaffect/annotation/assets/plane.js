/* The valence-arousal plane: axes, trail, the point, and in the trial the target. */

export function drawPlane(canvas, { point = null, trail = [], target = null, recording = false }) {
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (!side) return;
  if (canvas.width !== side || canvas.height !== side) {
    Object.assign(canvas, { width: side, height: side });
  }
  const g = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  const size = side / devicePixelRatio, half = size / 2, reach = half - 14;
  const at = ([x, y]) => [half + x * reach, half - y * reach];
  g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  g.clearRect(0, 0, size, size);
  g.fillStyle = ink("card");
  g.fillRect(0, 0, size, size);
  g.strokeStyle = ink("rule");
  for (const value of [-1, -0.5, 0, 0.5, 1]) {
    g.lineWidth = value === 0 ? 2 : 1;
    g.beginPath();
    g.moveTo(...at([value, -1])); g.lineTo(...at([value, 1]));
    g.moveTo(...at([-1, value])); g.lineTo(...at([1, value]));
    g.stroke();
  }
  if (size > 200) words(g, ink, half, reach);
  trail.forEach((place, i) => {
    g.globalAlpha = 0.1 + (0.5 * i) / trail.length;
    dot(g, at(place), 3, ink("accent"));
  });
  g.globalAlpha = 1;
  if (target) {
    g.strokeStyle = ink("arousal");
    g.lineWidth = 4;
    g.beginPath();
    g.arc(...at(target), 14, 0, 7);
    g.stroke();
  }
  if (point) dot(g, at(point), 8, ink(recording ? "recording" : "accent"));
}

function words(g, ink, half, reach) {
  g.fillStyle = ink("quiet");
  g.font = "12px system-ui, sans-serif";
  g.textAlign = "right";
  g.fillText("valence +", half + reach, half - 5);
  g.textAlign = "left";
  g.fillText("−", half - reach + 3, half - 5);
  g.fillText("arousal +", half + 5, half - reach + 13);
  g.fillText("−", half + 5, half + reach - 4);
}

function dot(g, [x, y], radius, colour) {
  g.fillStyle = colour;
  g.beginPath();
  g.arc(x, y, radius, 0, 7);
  g.fill();
}

/* Where a pointer event lies on the plane: [-1, 1] inside, more outside. */
export function placeOn(canvas, event) {
  const box = canvas.getBoundingClientRect(), half = box.width / 2, reach = half - 14;
  return [(event.clientX - box.left - half) / reach, -(event.clientY - box.top - half) / reach];
}
