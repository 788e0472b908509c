import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { deliverWith } from "./opentelemetry.mjs";

export const connect = async (url) => deliverWith(new OTLPLogExporter({ url: `${url}/v1/logs` }));
