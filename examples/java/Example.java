import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.spladed.v1.CreateCollectionRequest;
import io.spladed.v1.DeleteCollectionRequest;
import io.spladed.v1.Document;
import io.spladed.v1.EncodeOptions;
import io.spladed.v1.EncodeRequest;
import io.spladed.v1.EncoderGrpc;
import io.spladed.v1.ExplainRequest;
import io.spladed.v1.Hit;
import io.spladed.v1.IndexGrpc;
import io.spladed.v1.Kind;
import io.spladed.v1.SearchRequest;
import io.spladed.v1.SparseBatch;
import io.spladed.v1.TermContribution;
import io.spladed.v1.UpsertRequest;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Encodes, indexes, searches and explains on the server at HOST:PORT, its one argument. */
public final class Example {
  private static final String COLLECTION = "from-java";
  private static final String QUESTION = "fox and dog agility";

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(arguments[0]).usePlaintext().enableRetry().build();
    try {
      encode(EncoderGrpc.newBlockingStub(channel).withDeadlineAfter(10, TimeUnit.SECONDS));
      index(IndexGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS));
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static void encode(EncoderGrpc.EncoderBlockingStub encoder) {
    EncodeRequest request =
        EncodeRequest.newBuilder()
            .addTexts(QUESTION)
            .setOptions(EncodeOptions.newBuilder().setKind(Kind.KIND_QUERY))
            .build();
    SparseBatch rows = encoder.encode(request).getVectors();
    System.out.printf("encoded: %d of %d terms%n", rows.getIndptr(1), rows.getDimension());
  }

  private static void index(IndexGrpc.IndexBlockingStub index) {
    index.createCollection(CreateCollectionRequest.newBuilder().setName(COLLECTION).build());
    UpsertRequest.Builder upsert = UpsertRequest.newBuilder().setCollection(COLLECTION);
    upsert.addDocuments(document("train", "How to train your dog for agility."));
    upsert.addDocuments(document("agile", "A fast, agile fox leaps across a sleeping canine."));
    upsert.addDocuments(document("history", "The history of the fox as a wild animal."));
    System.out.printf("upserted: generation %d%n", index.upsert(upsert.build()).getGeneration());

    SearchRequest search =
        SearchRequest.newBuilder().setCollection(COLLECTION).addTexts(QUESTION).build();
    List<Hit> hits = index.search(search).getResults(0).getHitsList();
    for (Hit hit : hits) System.out.printf("hit: %.2f %s%n", hit.getScore(), hit.getId());

    ExplainRequest explain =
        ExplainRequest.newBuilder()
            .setCollection(COLLECTION)
            .setText(QUESTION)
            .addIds(hits.get(0).getId())
            .build();
    TermContribution best = index.explain(explain).getExplanations(0).getTerms(0);
    System.out.printf("because: %s %.2f%n", best.getWord(), best.getContribution());

    index.deleteCollection(DeleteCollectionRequest.newBuilder().setName(COLLECTION).build());
    try {
      index.search(search);
    } catch (StatusRuntimeException error) {
      System.out.printf("refused: %s %s%n", error.getStatus().getCode(), reason(error));
    }
  }

  private static Document document(String id, String text) {
    return Document.newBuilder().setId(id).setText(text).build();
  }

  /** The server's reason, a constant to compare; empty where the server never answered. */
  private static String reason(StatusRuntimeException error) {
    Metadata trailers = error.getTrailers() == null ? new Metadata() : error.getTrailers();
    com.google.rpc.Status status = StatusProto.fromStatusAndTrailers(error.getStatus(), trailers);
    try {
      for (com.google.protobuf.Any detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) return detail.unpack(ErrorInfo.class).getReason();
      }
    } catch (InvalidProtocolBufferException unreadable) {
      // As if there were no details: the status still tells what happened.
    }
    return "";
  }
}
