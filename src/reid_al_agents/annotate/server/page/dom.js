// Building elements. Data goes in as text only: nothing here parses HTML, and nothing sets a style attribute.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag element name, with classes: "p.small.muted"
 * @param {Object<string, any>} [options] attributes; `on` holds listeners, `text` the text, `data` the dataset;
 *   true sets an attribute without value, false, null and undefined leave it out
 * @param {...(Node|string|null|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, options = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return finish(document.createElement(name), classes, options, children);
}

/** As `h`, for SVG. */
export function svg(tag, options = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return finish(document.createElementNS(SVG, name), classes, options, children);
}

function finish(element, classes, options, children) {
  if (classes.length) element.classList.add(...classes);
  const { on = {}, text, data = {}, ...attributes } = options;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  Object.assign(element.dataset, data);
  if (text !== undefined) element.textContent = text;
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SHAPES = {
  same: ["M5 12.5l4.5 4.5L19 7.5"],
  different: ["M6.5 6.5l11 11", "M17.5 6.5l-11 11"],
  cannot_tell: ["M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.1.7-1.7 1.3-1.7 2.6", "M12 18.4v.2"],
  incomparable: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17z", "M6 6l12 12"],
  bad: ["M7 2.5V17h14.5", "M2.5 7H17v14.5"],
  undo: ["M8.5 5L4 9.5L8.5 14", "M4 9.5h10a5.5 5.5 0 0 1 0 11h-4"],
  help: ["M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.1.7-1.7 1.3-1.7 2.6", "M12 18.4v.2"],
  auto: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17z", "M12 3.5v17", "M12 8h4.5", "M12 12h8", "M12 16h4.5"],
  dark: ["M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"],
  light: ["M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8z", "M12 2.5v2", "M12 19.5v2", "M2.5 12h2", "M19.5 12h2", "M5.3 5.3l1.4 1.4", "M17.3 17.3l1.4 1.4", "M18.7 5.3l-1.4 1.4", "M6.7 17.3l-1.4 1.4"],
  warn: ["M12 4L2.8 20h18.4z", "M12 10v4.5", "M12 17.3v.2"],
  close: ["M6.5 6.5l11 11", "M17.5 6.5l-11 11"],
  pair: ["M4 5h6.5v14H4z", "M13.5 5H20v14h-6.5z"],
  row: ["M2.5 5H9v14H2.5z", "M12 8h3.5v8H12z", "M18 8h3.5v8H18z"],
  more: ["M6 9.5l6 6l6-6"],
};

/** @param {keyof typeof SHAPES} name @returns {SVGElement} a decorative line drawing; words stand beside it */
export function icon(name) {
  const paths = SHAPES[name].map((d) => svg("path", { d }));
  return svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, ...paths);
}

/** Draw an element's children again; the focus stays on what has the same `data-name`, else it goes to the heading. */
export function redraw(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren(...children);
  if (!focused || document.activeElement !== document.body) return;
  const same = focused.dataset.name && element.querySelector(`[data-name="${CSS.escape(focused.dataset.name)}"]`);
  if (same && !same.disabled) same.focus({ preventScroll: true });
  else focusHeading(element);
}

/** Put the focus on the heading of the view that holds an element. */
export function focusHeading(element) {
  const headings = element.closest(".view")?.querySelectorAll("h1, h2") ?? [];
  const heading = [...headings].find((one) => getComputedStyle(one).visibility === "visible");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

/** A button. Pressed by mouse it leaves the focus where it is, so that keys go on answering. */
export function button(options, ...children) {
  const { keepFocus, tag = "button", ...rest } = options;
  const element = h(tag, { type: "button", ...rest }, ...children);
  if (keepFocus) element.addEventListener("mousedown", (event) => event.preventDefault());
  return element;
}
