// The square of a picture that becomes a face: the sliders hold it, and a pointer drags it over the picture.

const partsOf = (form) => ({
  box: form.querySelector(".cropper"), stage: form.querySelector(".stage"), image: form.querySelector(".stage > img"),
  frame: form.querySelector(".frame"), ...Object.fromEntries(["left", "top", "side"].map((name) => [name, form[name]])),
});

document.addEventListener("change", async ({ target }) => {
  if (!target.matches(".picture-form [type=file]")) return;
  const parts = partsOf(target.form), { box, image, side } = parts, [file] = target.files;
  if (!box) return;
  box.hidden = box.disabled = true;
  URL.revokeObjectURL(image.src);
  if (!file) return;
  image.src = URL.createObjectURL(file);
  // Of a picture that the browser does not know, the server takes the middle.
  if (!(await image.decode().then(() => true, () => false))) return;
  box.hidden = box.disabled = false;
  const { naturalWidth: width, naturalHeight: height } = image;
  [side.min, side.max] = [Math.min(64, width, height), Math.min(width, height)];
  side.value = side.max;
  resize(parts, width / 2, height / 2);
});

// A smaller or larger square has the same middle, as far as the picture reaches.
function resize(parts, x, y) {
  const { left, top, side, image: { naturalWidth: width, naturalHeight: height } } = parts;
  [left.max, top.max] = [width - side.value, height - side.value];
  [left.value, top.value] = [x - side.value / 2, y - side.value / 2];
  draw(parts);
}

function draw({ frame, left, top, side, image: { naturalWidth: width, naturalHeight: height } }) {
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  frame.style.left = percent(left.value, width);
  frame.style.top = percent(top.value, height);
  frame.style.width = percent(side.value, width);
  frame.style.height = percent(side.value, height);
  side.dataset.was = side.value;
}

document.addEventListener("input", ({ target }) => {
  if (!target.matches(".cropper [type=range]")) return;
  const parts = partsOf(target.form), { left, top, side } = parts, half = (side.dataset.was ?? side.value) / 2;
  if (target === side) resize(parts, Number(left.value) + half, Number(top.value) + half);
  else draw(parts);
});

let dragged = null;
document.addEventListener("pointerdown", (event) => {
  const stage = event.target.closest?.(".stage");
  if (!stage || event.button) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  dragged = { parts: partsOf(stage.closest("form")), x: event.clientX, y: event.clientY };
});
document.addEventListener("pointermove", ({ clientX, clientY }) => {
  if (!dragged) return;
  const { parts, x, y } = dragged, scale = parts.image.naturalWidth / parts.image.clientWidth;
  parts.left.value = Number(parts.left.value) + (clientX - x) * scale;
  parts.top.value = Number(parts.top.value) + (clientY - y) * scale;
  dragged = { parts, x: clientX, y: clientY };
  draw(parts);
});
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (dragged = null));
