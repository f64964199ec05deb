"""CPU time and memory of preparing a photo of 12 megapixels: `python -m benchmarks.pictures`."""

import io
import os
import time

from PIL import Image, ImageFilter

from chat.files.picture_worker import prepare

SIZE = (4000, 3000)


def photo(orientation: int) -> bytes:
    """Return a photo as a phone takes it: smooth parts, and noise."""
    smooth = Image.frombytes("RGB", (500, 375), os.urandom(500 * 375 * 3)).filter(ImageFilter.GaussianBlur(3))
    noise = Image.frombytes("L", (1000, 750), os.urandom(750_000)).resize(SIZE).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    output = io.BytesIO()
    Image.blend(smooth.resize(SIZE), noise, 0.06).save(output, "JPEG", quality=92, exif=exif)
    return output.getvalue()


def main() -> None:
    """Print the figures of an upright photo and of one on its side, each in a process of its own."""
    for name, orientation in (("upright", 1), ("on its side", 6)):
        data = photo(orientation)
        child = os.fork()
        if child == 0:
            began = time.process_time()
            prepare(data)
            print(f"{name}: {time.process_time() - began:.2f} s of CPU time", flush=True)
            os._exit(0)
        _, _, used = os.wait4(child, 0)
        print(f"{name}: {used.ru_maxrss // 1024} MB at most, {len(data) / 2**20:.1f} MB large")


if __name__ == "__main__":
    main()
