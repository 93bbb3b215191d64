// The help overlay: every key and gesture, what each answer means.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";

const ANSWERS = [
  ["same", ["Y", "A", "→"]],
  ["different", ["N", "X", "←"]],
  ["cannot_tell", ["keys.space"]],
  ["incomparable", ["C"]],
  ["bad_candidate", ["B"]],
  ["bad_query", ["keys.shift_b"]],
];
const REST = [
  ["undo", ["keys.backspace"]],
  ["skip", ["S"]],
  ["why", ["W"]],
  ["mixed", ["M", "keys.shift_m"]],
  ["zoom", ["+", "-", "0"]],
  ["layout", ["L"]],
  ["help", ["?"]],
];
const TOUCH = [
  ["same", ["keys.swipe_right"]],
  ["different", ["keys.swipe_left"]],
  ["cannot_tell", ["keys.swipe_up"]],
  ["pinch", ["keys.pinch"]],
];
const MOUSE = [
  ["wheel", ["keys.wheel"]],
  ["drag", ["keys.drag"]],
  ["double", ["keys.double"]],
];
const BY_TOUCH = "(pointer: coarse), (max-width: 1020px)"; // where swipes come first
const ROW = [
  ["toggle", ["1", "…", "5"]],
  ["move", ["←", "→"]],
  ["mark", ["Y", "N", "keys.space", "C", "B"]],
  ["send", ["keys.enter"]],
];

/** @param {HTMLDialogElement} dialog */
export function openHelp(dialog) {
  if (dialog.open) return;
  const close = button({ class: "icon-button", "aria-label": t("shell.close"), autofocus: true, on: { click: () => dialog.close() } }, icon("close"));
  const keys = table(t("help.answers"), ANSWERS, meaning);
  const touch = table(t("help.touch"), TOUCH, (name) => (name === "pinch" ? plain(name) : meaning(name)));
  const more = [table(t("help.rest"), REST, plain), table(t("help.row"), ROW, plain), table(t("help.mouse"), MOUSE, plain)];
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "help-title", text: t("help.title") }), close),
    h("div.help-body", {},
      h("div", {}, ...(matchMedia(BY_TOUCH).matches ? [touch, keys] : [keys, touch])),
      h("div", {}, ...more)),
  );
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
}

const meaning = (name) => [t(`answer.${name}`), t(`help.${name}`)];
const plain = (name) => [t(`help.${name}`), ""];

function table(title, rows, words) {
  const lines = rows.map(([name, keys]) => {
    const [label, remark] = words(name);
    const caps = keys.map((key) => h("kbd", { text: key.startsWith("keys.") ? t(key) : key }));
    return h("div", {}, h("dt", {}, ...caps), h("dd", {}, h("b", { text: label }), remark ? h("span", { text: remark }) : null));
  });
  return h("section", {}, h("h3", { text: title }), h("dl", {}, ...lines));
}
