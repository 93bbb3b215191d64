// The help overlay: every key, what each answer means.

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
  ["zoom", ["+", "-", "0"]],
  ["layout", ["L"]],
  ["help", ["?"]],
];
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
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "help-title", text: t("help.title") }), close),
    h("div.help-body", {},
      table(t("help.answers"), ANSWERS, (name) => [t(`answer.${name}`), t(`help.${name}`)]),
      h("div", {},
        table(t("help.rest"), REST, (name) => [t(`help.${name}`), ""]),
        table(t("help.row"), ROW, (name) => [t(`help.${name}`), ""])),
    ),
    h("p.remark", { text: t("help.touch") }),
  );
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
}

function table(title, rows, words) {
  const lines = rows.map(([name, keys]) => {
    const [label, remark] = words(name);
    const caps = keys.map((key) => h("kbd", { text: key.startsWith("keys.") ? t(key) : key }));
    return h("div", {}, h("dt", {}, ...caps), h("dd", {}, h("b", { text: label }), remark ? h("span", { text: remark }) : null));
  });
  return h("section", {}, h("h3", { text: title }), h("dl", {}, ...lines));
}
