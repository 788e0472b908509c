// What the OpenTelemetry exporters share: a provider, and an exporter whose results are noted.
import { SeverityNumber } from "@opentelemetry/api-logs";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

const LEVELS = { info: SeverityNumber.INFO, warn: SeverityNumber.WARN, error: SeverityNumber.ERROR };

export function deliverWith(exporter) {
  let isDelivered = true;
  const noted = {
    export: (records, callback) =>
      exporter.export(records, (result) => {
        isDelivered &&= result.code === 0;
        callback(result);
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "pumps", "host.name": "north" }),
    processors: [new BatchLogRecordProcessor({ exporter: noted })],
  });
  const logger = provider.getLogger("tests");
  return async (entries) => {
    isDelivered = true;
    for (const { level, message, id } of entries) {
      logger.emit({
        timestamp: 1796052861000, // a record that is sent again is the same
        observedTimestamp: 1796052861000,
        severityNumber: LEVELS[level],
        severityText: level,
        body: message,
        attributes: { "log.record.uid": id, big: 12345678901 },
      });
    }
    await provider.forceFlush();
    return isDelivered;
  };
}
