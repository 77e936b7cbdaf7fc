/* Every hotkey once: what it does, and how the help names it. Keys are places on the keyboard
   (`code`), so that layouts do not matter. */

export const KEYS = [
  ["Space", "play or pause", "toggle"],
  ["ArrowLeft", "one frame back", "back"],
  ["ArrowRight", "one frame on", "on"],
  ["Shift+ArrowLeft", "one second back", "backSecond"],
  ["Shift+ArrowRight", "one second on", "onSecond"],
  ["Home", "first frame", "first"],
  ["End", "last frame", "last"],
  ["Comma", "slower", "slower"],
  ["Period", "faster", "faster"],
  ["KeyL", "repeat the selection while it plays", "loop"],
  ["ArrowUp", "row above", "rowUp"],
  ["ArrowDown", "row below", "rowDown"],
  ["KeyN", "next change in the row", "nextEdge"],
  ["KeyP", "previous change in the row", "previousEdge"],
  ["KeyU", "next frame without a label in the row", "nextUnset"],
  ["KeyI", "the selection begins at this frame", "selectFirst"],
  ["KeyO", "the selection ends at this frame", "selectLast"],
  ["Escape", "no selection", "selectNone"],
  ["Enter", "label: present (expression: the one chosen last)", "present"],
  ["Digit1 … Digit9, Digit0, Minus, Equal",
    "label with this number; held while it plays: from press to release", "number"],
  ["Shift+Digit", "Action Unit: absent", "numberAbsent"],
  ["Alt+Digit", "cannot tell", "numberUnsure"],
  ["KeyA", "absent", "absent"],
  ["KeyT", "cannot tell", "unsure"],
  ["KeyG", "no face", "noFace"],
  ["Delete", "clear", "clear"],
  ["BracketLeft", "the label begins a frame earlier (Shift: later)", "nudgeFirst"],
  ["BracketRight", "the label ends a frame later (Shift: earlier)", "nudgeLast"],
  ["Ctrl+KeyZ", "undo", "undo"],
  ["Ctrl+Shift+KeyZ", "redo", "redo"],
  ["Ctrl+KeyY", "redo", "redo"],
  ["KeyM", "digits label units or expressions", "digits"],
  ["KeyV", "record valence and arousal from here, or stop", "record"],
  ["KeyH", "show the labels over the video", "overlay"],
  ["KeyC", "comment on this frame", "comment"],
  ["KeyQ", "list of videos", "queue"],
  ["Slash", "all keys", "help"],
];

const DIGITS = ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8",
  "Digit9", "Digit0", "Minus", "Equal"];
const ACTIONS = new Map(KEYS.map(([key, , action]) => [key, action]));

export const DIGIT_NAMES = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "−", "="];

/* [action, digit place] of a key event, or null. */
export function actionOf(event) {
  const digit = DIGITS.indexOf(event.code);
  const control = event.ctrlKey || event.metaKey;
  if (digit >= 0) {
    if (control) return null;
    const action = event.shiftKey ? "numberAbsent" : event.altKey ? "numberUnsure" : "number";
    return [action, digit];
  }
  if (event.altKey) return null;
  if (event.code === "Backspace" && !control) return ["clear", -1];
  if (event.code === "NumpadEnter") return ["present", -1];
  if (event.code.startsWith("Bracket") && !control) {
    return [event.code === "BracketLeft" ? "nudgeFirst" : "nudgeLast", event.shiftKey ? -1 : 1];
  }
  const name = `${control ? "Ctrl+" : ""}${event.shiftKey ? "Shift+" : ""}${event.code}`;
  // "?" is Shift and Slash where the keyboard is American, and elsewhere on others.
  if (event.key === "?") return ["help", -1];
  return ACTIONS.has(name) ? [ACTIONS.get(name), -1] : null;
}

export function readable(key) {
  return key.replaceAll("Key", "").replaceAll("Digit1 … Digit9, Digit0", "1 … 9, 0")
    .replaceAll("Digit", "digit").replaceAll("Arrow", "Arrow ").replaceAll("Comma", ",")
    .replaceAll("Period", ".").replaceAll("BracketLeft", "[").replaceAll("BracketRight", "]")
    .replaceAll("Minus", "−").replaceAll("Equal", "=").replaceAll("Slash", "? or /");
}
