// COCO's compressed run lengths, which go down the columns, and the map of regions that the page looks things up in.

export function counts(text) {
  const found = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let digits = 0;
    let more = true;
    while (more) {
      const five = text.charCodeAt(at++) - 48;
      value |= (five & 31) << (5 * digits++);
      more = (five & 32) !== 0;
      if (!more && five & 16) value |= -1 << (5 * digits);
    }
    found.push(found.length > 2 ? value + found[found.length - 2] : value);
  }
  return found;
}

// Return, for an image that is shown with `shown` pixels a side, the number of the region at each of them, from 1 on.
export function regionMap(regions, size, shown) {
  const map = new Uint16Array(shown.width * shown.height);
  const columnOf = new Int32Array(size.width).fill(-1);
  for (let x = 0; x < shown.width; x++) columnOf[Math.floor(((x + 0.5) * size.width) / shown.width)] = x;
  const rowFrom = new Int32Array(size.height + 1);
  for (let y = 0; y <= size.height; y++) rowFrom[y] = Math.max(0, Math.ceil((y * shown.height) / size.height - 0.5));
  regions.forEach((region, number) => {
    let start = 0;
    counts(region.rle.counts).forEach((length, run) => {
      if (run % 2) fill(map, start, start + length, number + 1, size.height, shown.width, columnOf, rowFrom);
      start += length;
    });
  });
  return map;
}

function fill(map, start, end, value, height, width, columnOf, rowFrom) {
  for (let x = Math.floor(start / height); x * height < end; x++) {
    const column = columnOf[x];
    if (column < 0) continue;
    const last = rowFrom[Math.min(end - x * height, height)];
    for (let row = rowFrom[Math.max(start - x * height, 0)]; row < last; row++) map[row * width + column] = value;
  }
}
