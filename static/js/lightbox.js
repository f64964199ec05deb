// Pictures over the whole window. Swipes and arrows lead from one to the next, and a click zooms. The picture that is
// shown is in the address, so that the back button closes.
import { onKey } from "./page.js";

const ADDRESS = /^#picture-(\d+)$/, MOST = 8, BY_CLICK = 2.5, BY_KEY = 1.5;
// Not in the page, because its first load should be small.
const MARKUP = `<ul class="slides" tabindex="0" aria-label="Pictures"></ul>
  <p role="status"></p>
  <a class="square" data-act="download" title="Download" aria-label="Download">↓</a>
  <button class="square" data-act="zoom" title="Zoom" aria-label="Zoom">+</button>
  <button class="square" data-act="close" title="Close" aria-label="Close" autofocus>×</button>
  <button class="square" data-act="previous" title="Previous picture" aria-label="Previous picture">‹</button>
  <button class="square" data-act="next" title="Next picture" aria-label="Next picture">›</button>`;
const dialog = document.createElement("dialog");
Object.assign(dialog, { id: "lightbox", ariaLabel: "Pictures", innerHTML: MARKUP });
document.body.append(dialog);
const slides = dialog.querySelector(".slides"), control = (act) => dialog.querySelector(`[data-act=${act}]`);

const numberOf = ({ parentElement }) => parentElement.id.slice(2);
const addressed = () => ADDRESS.exec(location.hash)?.[1];
let current, isOpenedHere = false;

export function show(link) {
  isOpenedHere = true;
  location.hash = `picture-${numberOf(link)}`;
}

function slideOf(link) {
  const { name, width, height } = link.dataset, thumbnail = link.querySelector("img");
  const slide = document.createElement("li"), picture = new Image(width, height);
  Object.assign(slide.dataset, { name, number: numberOf(link) });
  Object.assign(picture, { loading: "lazy", draggable: false, alt: thumbnail.alt, src: link.href });
  picture.style.setProperty("--width", width);
  picture.style.setProperty("--ratio", width / height);
  // It is seen until the whole picture has come.
  picture.style.backgroundImage = `url("${thumbnail.currentSrc}")`;
  slide.append(picture);
  changes.observe(slide);
  return slide;
}

// The slide in the middle is named, also to screen readers, and the buttons are about it.
const changes = new IntersectionObserver((seen) => {
  const slide = seen.findLast(({ isIntersecting }) => isIntersecting)?.target;
  if (!slide || slide === current) return;
  zoom(1);
  current = slide;
  const all = [...slides.children], place = all.indexOf(slide), { alt, src } = slide.firstElementChild;
  dialog.querySelector("p").textContent = all.length > 1 ? `${alt} (${place + 1} of ${all.length})` : alt;
  Object.assign(control("download"), { href: `${src}?download`, download: slide.dataset.name });
  control("previous").disabled = place === 0;
  control("next").disabled = place === all.length - 1;
  if (addressed() !== slide.dataset.number) location.replace(`#picture-${slide.dataset.number}`);
}, { root: slides, threshold: 0.6 });

function follow() {
  const number = addressed(), links = [...document.querySelectorAll(".picture > a[data-name]")];
  if (!number) {
    clear();
    isOpenedHere = false;
    dialog.close();
  }
  if (dialog.open || !links.some((link) => numberOf(link) === number)) return;
  slides.replaceChildren(...links.map(slideOf));
  dialog.showModal();
  slides.querySelector(`[data-number="${number}"]`).scrollIntoView({ behavior: "instant" });
}
window.addEventListener("hashchange", follow);
follow();

function clear() {
  changes.disconnect();
  slides.replaceChildren();
  current = null;
}

dialog.addEventListener("close", () => {
  // The event comes with the next frame: until then, the forward button may have opened it again. And the back button
  // has closed one that is clear.
  if (dialog.open || !slides.firstChild) return;
  clear();
  if (addressed() && isOpenedHere) history.back();
  else if (addressed()) location.replace("#");
  isOpenedHere = false;
});

// The part of the picture that is under the pointer stays there.
function zoom(scale, { clientX = innerWidth / 2, clientY = innerHeight / 2 } = {}) {
  if (!current) return;
  const picture = current.firstElementChild, from = picture.getBoundingClientRect();
  dialog.classList.toggle("zoomed", scale > 1);
  control("zoom").ariaPressed = scale > 1;
  picture.style.setProperty("--scale", scale);
  const to = picture.getBoundingClientRect();
  const left = to.left + (to.width * (clientX - from.left)) / from.width - clientX;
  const top = to.top + (to.height * (clientY - from.top)) / from.height - clientY;
  current.scrollBy({ left, top, behavior: "instant" });
}
const scale = () => Number(current.firstElementChild.style.getPropertyValue("--scale")) || 1;
const zoomBy = (factor, at) => zoom(Math.min(MOST, Math.max(1, scale() * factor)), at);
const toggleZoom = (at) => zoom(scale() > 1 ? 1 : BY_CLICK, at);
const acts = {
  close: () => dialog.close(),
  previous: () => current.previousElementSibling?.scrollIntoView(),
  next: () => current.nextElementSibling?.scrollIntoView(),
  zoom: () => toggleZoom(),
};

let isDragged = false;
dialog.addEventListener("pointerdown", () => (isDragged = false));
slides.addEventListener("pointermove", ({ buttons, pointerType, movementX, movementY }) => {
  if (buttons !== 1 || pointerType !== "mouse" || scale() === 1) return;
  isDragged = true;
  current.scrollBy({ left: -movementX, top: -movementY, behavior: "instant" });
});
dialog.addEventListener("click", (event) => {
  if (event.target.matches(".slides > li")) dialog.close();
  else if (event.target.matches("img") && !isDragged) toggleZoom(event);
  else acts[event.target.dataset.act]?.();
});
slides.addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY / 100), event);
}, { passive: false });

// A click may have left the keyboard nowhere.
const OPEN = ":root:has(#lightbox[open]) *";
const STEPS = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] };
onKey(Object.keys(STEPS).join(" "), OPEN, ({ key }) => current.scrollBy(...STEPS[key]));
onKey("ArrowLeft", ":root:has(#lightbox[open]:not(.zoomed)) *", () => acts.previous());
onKey("ArrowRight", ":root:has(#lightbox[open]:not(.zoomed)) *", () => acts.next());
onKey("+ =", OPEN, () => zoomBy(BY_KEY));
onKey("-", OPEN, () => zoomBy(1 / BY_KEY));
