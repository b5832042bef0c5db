import { answerCase, type BaselineAnswer } from './baseline.ts';
import { answerFamilyCase } from './family-answer.ts';
import type { Temperatures } from './heat.ts';
import type { Kernel } from './kernel.ts';
import { answerMethodCase } from './method-answer.ts';
import { type MethodCase, namedMethod, readMethodCase } from './method-request.ts';
import { type BaselineCase, readCase, readRequest } from './request.ts';
import type { Series } from './series.ts';
import { readObject } from './spec.ts';
import { answerWeatherCase } from './weather-answer.ts';
import { readWeatherCase, type WeatherCase, weatherMethod } from './weather-request.ts';

/** A case of any method; each method has a format of its own. */
export type AnyCase = BaselineCase | WeatherCase | MethodCase;

const looksAtWeather = (request: AnyCase): request is WeatherCase => 'method' in request;
const ofOtherMethod = (request: AnyCase): request is MethodCase => 'sessions' in request;

export const needsTemperature = (request: AnyCase): boolean =>
  !ofOtherMethod(request) && (looksAtWeather(request) || request.params.family?.rankOn === 'temperature');

/** Every case of a request, in order. Throws `Refusal` naming case and field. */
export function readCases(value: unknown): AnyCase[] {
  const file = readObject(value, 'the request');
  if (!Array.isArray(file.cases)) return readRequest(value);
  return file.cases.map((entry: unknown, index) => {
    const place = `cases[${index}]`;
    const fields = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : {};
    const other = namedMethod(fields, file);
    if (other !== null) return readMethodCase(fields, other, place);
    const method = weatherMethod(fields, file);
    return method === null ? readCase(entry, place) : readWeatherCase(fields, method, place);
  });
}

/** Answers one case. `temperatures` are those of its meter's place; what the case brings along goes first. */
export function answerAny(
  kernel: Kernel,
  request: AnyCase,
  series: readonly Series[],
  temperatures: Temperatures | null,
): BaselineAnswer {
  if (ofOtherMethod(request)) return answerMethodCase(kernel, request, series);
  if (looksAtWeather(request)) return answerWeatherCase(kernel, request, series[0]!, request.temperatures ?? temperatures);
  return request.params.family || request.params.anchor === 'notice'
    ? answerFamilyCase(kernel, request, series, temperatures)
    : answerCase(kernel, request, series);
}
