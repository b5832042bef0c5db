/** How a setting is read from its text: null is what is not allowed. */
export const text = (value: string): string => value;
export const filled = (value: string): string | null => (value.trim() === '' ? null : value);
export const port = (value: string): number | null => whole(value, 0, 65_535);
export const whole = (value: string, least: number, most: number): number | null => {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  return number >= least && number <= most ? number : null;
};
export const oneOf =
  (...values: readonly string[]) =>
  (value: string): string | null =>
    values.includes(value) ? value : null;
export const instant = (value: string): number | null => {
  const at = /^\d+$/.test(value) ? Number(value) : /[zZ]|[+-]\d{2}:\d{2}$/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isSafeInteger(at) ? at : null;
};
export const postgres = (value: string): string | null => (value === '' || /^postgres(ql)?:\/\//.test(value) ? value : null);
export const natsUrls = (value: string): string | null =>
  value === '' || value.split(',').every((url) => /^(nats|tls):\/\/([^/@:]+:[^/@]+@)?[^/@]+$/.test(url)) ? value : null;
export const mqttUrl = (value: string): string | null => (value === '' || /^mqtts?:\/\/[^/@]+$/.test(value) ? value : null);
export const influx = (value: string): string | null => {
  if (value === '') return value;
  const url = URL.canParse(value) ? new URL(value) : null;
  return /^https?:$/.test(url?.protocol ?? '') && /^\/[^/]+$/.test(url!.pathname) ? value : null;
};
export const httpUrl = (value: string): string | null =>
  value === '' || (/^https?:\/\//.test(value) && URL.canParse(value)) ? value : null;
export const grpcAddress = (value: string): string | null =>
  value === '' || /^unix:.+/.test(value) || /^[^:]+:\d{1,5}$/.test(value) ? value : null;
export const grpcAddresses = (value: string): string | null =>
  value.split(',').every((one) => grpcAddress(one.trim()) !== null && (one.trim() !== '' || value === '')) ? value : null;

export const hostPort = (value: string): string | null => (value === '' || /^[^/]+:\d{1,5}$/.test(value) ? value : null);
