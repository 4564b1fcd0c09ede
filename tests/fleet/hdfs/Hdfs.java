import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A real HDFS on loopback: Hdfs PORT DIRECTORY, until it is killed. Says READY when it takes files. */
public final class Hdfs {
    public static void main(String[] words) throws Exception {
        Configuration config = new Configuration();
        config.setInt("dfs.replication", 1);
        config.setBoolean("dfs.permissions.enabled", false);
        config.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, new File(words[1]).getAbsolutePath());
        var cluster = new MiniDFSCluster.Builder(config).nameNodePort(Integer.parseInt(words[0])).numDataNodes(1).build();
        cluster.waitActive();
        System.out.println("READY");
        System.out.flush();
        Thread.currentThread().join();
    }
}
