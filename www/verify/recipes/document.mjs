// The code of RECIPES.md, as it stands there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const TEXT = readFileSync(new URL('../RECIPES.md', import.meta.url), 'utf8');

// The code blocks of one language, in their order, with `replacements` made in each: [what, by what], where
// every `what` must be there, or the recipe would not be about what is tested.
export function code(language, index, replacements) {
  const blocks = [...TEXT.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, name]) => name === language);
  assert.ok(blocks[index], `RECIPES.md has ${blocks.length} blocks of ${language}`);
  let [, , text] = blocks[index];
  for (const [what, by] of replacements) {
    assert.ok(text.includes(what), `the ${language} recipe does not have ${what}`);
    text = text.replaceAll(what, by);
  }
  return text;
}

export const ORIGIN = 'https://app.example';
