import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { deliverWith } from "./opentelemetry.mjs";

export const connect = async (url) => deliverWith(new OTLPLogExporter({ url }));
