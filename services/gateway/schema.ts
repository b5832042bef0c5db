import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';

/** A JSON Schema as OpenAPI 3.1 wants it. */
export type JsonSchema = { [key: string]: unknown };

/**
 * JSON Schemas of protobuf messages in their proto3 JSON form, so the API's documentation is the contract itself: 64-bit integers
 * are decimal strings, enums are their names, bytes are base64. Messages become `#/components/schemas/…` references.
 */
export function messageSchemas(roots: readonly DescMessage[]): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {};
  const visit = (message: DescMessage): void => {
    if (schemas[schemaName(message)]) return;
    schemas[schemaName(message)] = { type: 'object' };
    schemas[schemaName(message)] = {
      type: 'object',
      properties: Object.fromEntries(message.fields.map((f) => [f.jsonName, fieldSchema(f)])),
    };
    for (const field of message.fields) {
      if (field.message) visit(field.message);
    }
  };
  roots.forEach(visit);
  return schemas;
}

export const reference = (message: DescMessage): JsonSchema => ({ $ref: `${schemaName(message)}#` });

/** `lachak.v1.CohortMember` → `CohortMember`; nested messages keep their parent: `CalendarDay.Kind`. */
export const schemaName = (message: DescMessage): string => message.typeName.replace(/^lachak\.v1\./, '');

function fieldSchema(field: DescField): JsonSchema {
  switch (field.fieldKind) {
    case 'list':
      return { type: 'array', items: element(field) };
    case 'map':
      return { type: 'object', additionalProperties: element(field) };
    default:
      return element(field);
  }
}

function element(field: DescField): JsonSchema {
  if (field.message) return reference(field.message);
  if (field.enum) return { type: 'string', enum: field.enum.values.map((value) => value.name) };
  return scalar(field.scalar);
}

function scalar(type: ScalarType | undefined): JsonSchema {
  switch (type) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: '^-?[0-9]+$' };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: 'string', pattern: '^[0-9]+$' };
    default:
      return { type: 'integer' };
  }
}
