/** Whole words in English ('ice' is not in 'nice'), also in the plural; Chinese has no gaps between words. */
export function says(english: string, chinese: string): RegExp {
  return new RegExp(`\\b(?:${english})(?:e?s)?\\b|${chinese}`, 'i')
}
