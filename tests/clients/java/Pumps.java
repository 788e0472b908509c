import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/** Logs three lines with log4j2; its configuration, a system property, names the places. */
public class Pumps {
  public static void main(String[] arguments) {
    Logger logger = LogManager.getLogger("pumps");
    logger.info("pump started");
    logger.warn("valve stuck at {} %", 87);
    logger.error("calculation failed", new ArithmeticException("division by zero"));
    LogManager.shutdown();
  }
}
