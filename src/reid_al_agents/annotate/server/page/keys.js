// What each key does. One press is one action: a key held down does not repeat, and keys are left alone while
// a dialog is open, while something is typed, and together with Ctrl, Alt or Meta.

const ANSWERS = { y: "same", a: "same", n: "different", x: "different", " ": "cannot_tell", c: "incomparable", b: "bad_candidate" };
const ARROWS = { ArrowRight: "same", ArrowLeft: "different" };
const ZOOMS = { "+": "in", "=": "in", "-": "out", "_": "out", 0: "reset" };

/**
 * @typedef {{do: "answer", value: string}|{do: "zoom", way: string}|{do: "toggle", place: number}|
 *   {do: "move", way: 1|-1}|{do: "mixed", side: "query"|"candidate"}|{do: "undo"|"help"|"send"|"layout"|"skip"|"why"}} Action
 */

/** @param {KeyboardEvent} event @param {"pair"|"row"} layout @returns {Action|null} */
export function actionOf(event, layout) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "?") return { do: "help" };
  if (key === "Backspace") return { do: "undo" };
  if (key === "l") return { do: "layout" };
  if (key === "s") return { do: "skip" };
  if (key === "w") return { do: "why" };
  if (key === "m") return { do: "mixed", side: event.shiftKey ? "candidate" : "query" };
  if (key === "b" && event.shiftKey) return { do: "answer", value: "bad_query" };
  if (key in ANSWERS) return { do: "answer", value: ANSWERS[key] };
  if (layout === "row") {
    if (/^[1-5]$/.test(key)) return { do: "toggle", place: Number(key) - 1 };
    if (key in ARROWS) return { do: "move", way: key === "ArrowRight" ? 1 : -1 };
    if (key === "Enter") return { do: "send" };
  } else if (key in ARROWS) return { do: "answer", value: ARROWS[key] };
  if (key in ZOOMS) return { do: "zoom", way: ZOOMS[key] };
  return null;
}

/** Whether a key press is meant for something else than the question. */
export function isElsewhere(event) {
  if (event.repeat || event.defaultPrevented || event.isComposing) return true;
  if (event.ctrlKey || event.altKey || event.metaKey) return true;
  if (document.querySelector("dialog[open]")) return true;
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.closest("input, select, textarea, [contenteditable]")) return true;
  const presses = event.key === " " || event.key === "Enter";
  return presses && target.closest("button, a, summary") !== null;
}

/**
 * @param {() => "pair"|"row"|null} layout what is shown; null where no question is
 * @param {(action: Action) => void} act
 */
export function listen(layout, act) {
  document.addEventListener("keydown", (event) => {
    const elsewhere = isElsewhere(event);
    const action = actionOf(event, layout() || "pair");
    if (!action || (layout() === null && action.do !== "help")) return;
    if (elsewhere) {
      if (event.repeat && !event.target.closest?.("input, select, textarea")) event.preventDefault();
      return;
    }
    event.preventDefault();
    act(action);
  });
}
