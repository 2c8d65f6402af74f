// Makes core-regular.woff2, core-bold.woff2, core.txt, dynamic/ and
// ../css/fonts.css from the npm package pretendard 1.3.9 (SIL OFL 1.1).
//
//	npm install pretendard@1.3.9 subset-font@2.9.0 fontverter
//	node core.mjs node_modules/pretendard [more texts to cover, such as the list of municipalities]
//
// The core holds Latin, digits, the commonest syllables and every syllable of
// our own words and of the municipalities' names. Subsetting is a change, and the
// licence reserves the name Pretendard for the unchanged fonts, so the core is
// called Jangteo Text. The files in dynamic/ are copied as they are.
import fs from "node:fs";
import path from "node:path";
import subset from "subset-font";
import fontverter from "fontverter";

const [source, ...more] = process.argv.slice(2);
const here = import.meta.dirname;
const css = fs.readFileSync(`${source}/dist/web/variable/pretendardvariable-dynamic-subset.css`, "utf8");
const ranges = [...css.matchAll(/unicode-range:([^;]*);/g)].map((m) => m[1].replaceAll(" ", "").toLowerCase());

// The package orders its ranges from the rarest to the commonest.
const commonest = 89;
const isSyllable = (code) => code >= 0xac00 && code <= 0xd7a3;
const wanted = new Set("·…–—‘’“”₩×÷±→←↑↓›✓•℃°©「」『』㈜");
for (let code = 32; code < 127; code++) wanted.add(String.fromCodePoint(code));
for (const range of ranges.slice(commonest).join(",").split(",")) {
  const [from, to = from] = range.slice(2).split("-").map((hex) => parseInt(hex, 16));
  for (let code = from; code <= to; code++) if (isSyllable(code)) wanted.add(String.fromCodePoint(code));
}
const folder = path.join(here, "../../app/i18n/words/ko");
const words = fs.readdirSync(folder).map((name) => path.join(folder, name));
for (const name of words.concat(more))
  for (const char of fs.readFileSync(name, "utf8")) if (isSyllable(char.codePointAt(0))) wanted.add(char);
const text = [...wanted].sort().join("");

// rename puts a name of the same length in the name table, but for the
// copyright (0), trademark (7) and licence (13, 14).
function rename(font) {
  const tables = font.readUInt16BE(4);
  for (let i = 0; i < tables; i++) {
    const entry = 12 + 16 * i;
    if (font.toString("latin1", entry, entry + 4) !== "name") continue;
    const at = font.readUInt32BE(entry + 8);
    for (let n = 0; n < font.readUInt16BE(at + 2); n++) {
      const record = at + 6 + 12 * n;
      if ([0, 7, 13, 14].includes(font.readUInt16BE(record + 6))) continue;
      const start = at + font.readUInt16BE(at + 4) + font.readUInt16BE(record + 10);
      const value = font.subarray(start, start + font.readUInt16BE(record + 8));
      for (const [plain, ours] of [["Pretendard", "JangteoTxt"]]) {
        const wide = (s) => Buffer.from(s, "utf16le").swap16();
        let found = value.indexOf(wide(plain));
        if (found >= 0) wide(ours).copy(value, found);
        found = value.indexOf(plain, 0, "latin1");
        if (found >= 0) value.write(ours, found, "latin1");
      }
    }
  }
  return font;
}

for (const weight of ["Regular", "Bold"]) {
  const whole = fs.readFileSync(`${source}/dist/web/static/woff2/Pretendard-${weight}.woff2`);
  const cut = await subset(whole, text, { targetFormat: "truetype", noHinting: true, keepFeatures: ["kern", "tnum"] });
  const woff2 = await fontverter.convert(rename(Buffer.from(cut)), "woff2");
  fs.writeFileSync(`${here}/core-${weight.toLowerCase()}.woff2`, woff2);
  console.log(weight, wanted.size, "characters", woff2.length, "bytes");
}
fs.writeFileSync(`${here}/core.txt`, text + "\n");

let faces = "/* Pretendard 1.3.9, dynamic subset: a desk fetches only the parts whose syllables it shows. Made by fonts/core.mjs. */\n";
ranges.forEach((range, i) => {
  fs.copyFileSync(`${source}/dist/web/variable/woff2-dynamic-subset/PretendardVariable.subset.${i}.woff2`, `${here}/dynamic/${i}.woff2`);
  faces += `@font-face{font-family:"Pretendard Variable";font-weight:45 920;font-display:swap;src:url("../fonts/dynamic/${i}.woff2") format("woff2");unicode-range:${range}}\n`;
});
fs.writeFileSync(`${here}/../css/fonts.css`, faces);
