// Shows changes made by others, or on your other pages: a name, a list, a setting, the theme.
"use strict";

function showName({ dataset: { person, name, initials, hue } }) {
  for (const author of document.querySelectorAll(`a.author[href="/people/${person}"]`)) author.textContent = name;
  for (const link of document.querySelectorAll(`a.list-name[href="/people/${person}"]`)) {
    const you = link.firstChild.textContent.endsWith(" (you)") ? " (you)" : "";
    link.firstChild.textContent = name + you;
  }
  const faces = `.avatar[data-person="${person}"], .message[data-author="${person}"] > .byline > .avatar`;
  for (const face of document.querySelectorAll(faces)) {
    face.textContent = initials;
    face.className = face.className.replace(/hue-\d+/, `hue-${hue}`);
  }
}

function showTheme({ dataset: { theme } }) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.querySelector("meta[name=color-scheme]").content = theme === "system" ? "light dark" : theme;
}

function showTimes({ dataset: { timeZone, hourCycle } }) {
  const chosen = document.documentElement.dataset;
  for (const [name, value] of Object.entries({ timeZone, hourCycle })) {
    if (value) chosen[name] = value;
    else delete chosen[name];
  }
  document.dispatchEvent(new Event("times-changed"));
}

// Not while a form here has unsent input; at a random moment, so that not all pages reload at once.
let stale;
const isChanged = (field) =>
  field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
function showPage({ dataset: { paths } }) {
  if (!paths.split(" ").includes(location.pathname)) return;
  clearTimeout(stale);
  stale = setTimeout(() => {
    if ([...document.querySelectorAll("#main :is(input:not([type=hidden]), textarea)")].some(isChanged)) return;
    const url = location.pathname + location.search, headers = { "X-Unasked": "yes" };
    htmx.ajax("GET", url, { target: "#main", select: "#main", swap: "outerMorph", headers });
  }, 300 + 700 * Math.random());
}

const SHOWN = { "chat-name": showName, "chat-theme": showTheme, "chat-times": showTimes, "chat-pages": showPage };
document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  if (!/<chat-(name|theme|times|pages) /.test(message.data)) return;
  const news = new DOMParser().parseFromString(message.data, "text/html");
  for (const element of news.querySelectorAll(Object.keys(SHOWN).join())) SHOWN[element.localName](element);
});
