/** Sizes of memory as people read them. */

const STEP = 1024;
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Format a number of bytes: "0 B", "312 MB", "1.2 GB". */
export function formatBytes(bytes: number, locale?: string): string {
  const { value, unit } = scaled(bytes, scaleOf(bytes));
  return `${number(value, locale)} ${unit}`;
}

/** Format what is used of how much there is, in one unit: "1.2 of 8 GB". */
export function formatShare(used: number, limit: number, locale?: string): [string, string] {
  const scale = scaleOf(limit);
  const { value } = scaled(used, scale);
  return [number(value, locale), formatBytes(limit, locale)];
}

function scaleOf(bytes: number): number {
  const power = Math.floor(Math.log(Math.max(1, bytes)) / Math.log(STEP));
  return Math.min(UNITS.length - 1, power);
}

function scaled(bytes: number, scale: number): { value: number; unit: string } {
  return { value: bytes / STEP ** scale, unit: UNITS[scale] };
}

function number(value: number, locale?: string): string {
  const digits = value < 10 ? 1 : 0;
  return value.toLocaleString(locale, { maximumFractionDigits: digits });
}
